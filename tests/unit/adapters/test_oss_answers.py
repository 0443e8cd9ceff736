"""What the object store makes of the answers of OSS, and what it asks: no local cloud gives these answers."""

import pytest

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from tests.unit.adapters.canned_oss import CannedOss, OssAnswer

SOURCE, TARGET = ObjectRef("acme", "work/a.flac"), ObjectRef("acme", "out/a.flac")
LOWER, UPPER = "5d41402abc4b2a76b9719d911017c592", "5D41402ABC4B2A76B9719D911017C592"
COPIED = f'<CopyObjectResult><ETag>"{LOWER}"</ETag></CopyObjectResult>'
LISTING = f"""<ListBucketResult><Name>acme</Name><IsTruncated>false</IsTruncated><Contents><Key>work/a.flac</Key>
<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"{LOWER}"</ETag><Type>Normal</Type>
<Size>7</Size><StorageClass>Standard</StorageClass></Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    ("status", "versioned"),
    [
        ("", False),
        ("<Status>Enabled</Status>", True),
        ("<Status>Suspended</Status>", True),
    ],
)
def test_a_bucket_counts_as_versioned_unless_it_never_was(status: str, versioned: bool) -> None:
    """OSS ignores `x-oss-forbid-overwrite` while versioning is enabled, and also after it was suspended."""
    body = f"<VersioningConfiguration>{status}</VersioningConfiguration>".encode()
    with CannedOss({"GET /acme/?versioning": OssAnswer(body=body)}).store() as objects:
        assert versioned is objects.is_versioned("acme")


def test_an_etag_is_the_same_whatever_its_case_and_quotes_are() -> None:
    """The id of a job is made from it, by submit from a download and by the sweep from a listing."""
    etag = {"ETag": f'"{LOWER}"'}
    answers = {
        "HEAD /acme/": OssAnswer(headers={**etag, "Content-Length": "7"}),
        "GET /acme/work": OssAnswer(body=b"content", headers=etag),
        "GET /acme/?": OssAnswer(body=LISTING.encode()),
        "PUT /acme/": OssAnswer(
            body=f'<CopyObjectResult><ETag>"{LOWER}"</ETag></CopyObjectResult>'.encode(), headers=etag
        ),
    }
    with CannedOss(answers).store() as objects:
        etags = [
            objects.describe(SOURCE).etag,
            objects.read(SOURCE).about.etag,
            next(objects.list("acme", "work/")).etag,
            objects.copy(SOURCE, TARGET, ObjectHeaders()).etag,
        ]

    assert [UPPER] * 4 == etags
