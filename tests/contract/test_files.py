"""Objects as files: streamed down and up, pinned by their ETag."""

from pathlib import Path

import pytest

from clipstitch.adapters.oss import OssBuckets
from clipstitch.adapters.oss_files import OssObjectFiles
from clipstitch.bootstrap import build_files
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import ClipChanged, CloudRefused, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders


@pytest.fixture
def ref(cloud_environment: dict[str, str], request: pytest.FixtureRequest) -> ObjectRef:
    """Return an object of this test."""
    return ObjectRef(cloud_environment["CLIPSTITCH_BUCKET"], f"files/{request.node.name}")


@pytest.mark.parametrize("part_bytes", [1 << 20, 100 << 10])
def test_a_file_comes_back_whole(
    cloud_environment: dict[str, str], ref: ObjectRef, tmp_path: Path, part_bytes: int
) -> None:
    """In one request, or in parts."""
    env = cloud_environment
    buckets = OssBuckets(env["OSS_ENDPOINT"], env["OSS_REGION"], read_access_key(env, None))
    files = OssObjectFiles(buckets, part_bytes)
    body = bytes(range(256)) * 1200
    (tmp_path / "up").write_bytes(body)
    files.upload(str(tmp_path / "up"), ref, ObjectHeaders("audio/mpeg"))
    files.download(ref, str(tmp_path / "down"))

    assert body == (tmp_path / "down").read_bytes()
    assert "audio/mpeg" == buckets(ref.bucket).head_object(ref.key).content_type


def test_another_version_and_a_missing_object_are_errors(
    cloud_environment: dict[str, str], ref: ObjectRef, tmp_path: Path
) -> None:
    """The ETag pins the version that was planned."""
    files = build_files(cloud_environment)
    (tmp_path / "up").write_bytes(b"one")
    files.upload(str(tmp_path / "up"), ref, ObjectHeaders())
    files.download(ref, str(tmp_path / "down"), "F97C5D29941BFB1B2FDAB0874906AB82")
    with pytest.raises(ClipChanged):
        files.download(ref, str(tmp_path / "down"), "0" * 32)
    with pytest.raises(ObjectNotFound):
        files.download(ref._replace(key="missing"), str(tmp_path / "down"))


def test_an_upload_that_fails_leaves_no_parts(
    cloud_environment: dict[str, str], ref: ObjectRef, tmp_path: Path
) -> None:
    """They would cost money."""
    env = cloud_environment
    buckets = OssBuckets(env["OSS_ENDPOINT"], env["OSS_REGION"], read_access_key(env, None))
    (tmp_path / "up").write_bytes(b"x" * 200)
    with pytest.raises(CloudRefused):
        OssObjectFiles(buckets, 100).upload(str(tmp_path / "up"), ref, ObjectHeaders())  # parts below 100 KB

    assert [] == [one.key for one in buckets(ref.bucket).list_multipart_uploads(prefix=ref.key).upload_list]
