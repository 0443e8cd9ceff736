"""Which of two jobs is newer: by the second of the upload, of which OSS keeps no part."""

from datetime import datetime, timedelta, timezone

import pytest

from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, is_job_id, is_newer, job_id_of, uploaded_at

AT = datetime(2026, 1, 2, 23, 59, 59, tzinfo=timezone.utc)
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/a.json"), "E7A6")


@pytest.mark.parametrize(
    ("other", "newer"),
    [
        ("20260102T030405Z-ffffffffffff", False),
        ("20260102T030405Z-000000000000", False),
        ("20260102T030404Z-ffffffffffff", False),
        ("20260102T030406Z-000000000000", True),
        ("20260103T000000Z-000000000000", True),
        ("", False),
    ],
)
def test_a_job_is_newer_if_it_was_uploaded_in_a_later_second(other: str, newer: bool) -> None:
    """Of two uploads within a second neither is newer, whatever their hashes are."""
    assert newer is is_newer(other, than="20260102T030405Z-888888888888")


def test_an_id_names_one_version_of_one_manifest() -> None:
    """Bucket, key, ETag and time distinguish it; the zone of the time does not."""
    other_zone = AT.astimezone(timezone(timedelta(hours=8)))
    versions = [
        (MANIFEST, AT),
        (MANIFEST._replace(etag="E7A7"), AT),
        (MANIFEST._replace(ref=ObjectRef("acme", "manifests/b.json")), AT),
        (MANIFEST._replace(ref=ObjectRef("other", "manifests/a.json")), AT),
        (MANIFEST, AT + timedelta(seconds=1)),
    ]
    ids = [job_id_of(*version) for version in versions]

    assert 5 == len(set(ids))
    assert all(map(is_job_id, ids))
    assert ids[0] == job_id_of(MANIFEST, other_zone)
    assert AT == uploaded_at(ids[0])
    assert ["2026-01-02"] * 4 + ["2026-01-03"] == [day_of(job_id) for job_id in ids]
