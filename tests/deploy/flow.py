"""One whole job on a local cloud, from the uploads to the result."""

import json
import time
from collections.abc import Mapping
from typing import Any

import oss2
import pytest

from clipstitch.adapters.oss import OssBuckets, OssObjectStore
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import CloudRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders
from localyun.server import Endpoints
from tests.deploy.tools import ROOT

DEMO = ROOT / "examples" / "demo"
DEFAULT_BUCKET = "clipstitch"  # in s.yaml; an empty cloud does not know the name
CLIP_SUFFIXES = (".mp3", ".wav", ".oga", ".aac", ".wma")


def run_job(endpoints: Endpoints, suffix: str = ".json", timeout_s: float = 30) -> dict[str, Any]:
    """Upload the demo's clips and manifest, wait until its job is closed, and return the result."""
    bucket = bucket_of(endpoints)
    for clip in sorted(DEMO.iterdir()):
        if clip.suffix in CLIP_SUFFIXES:
            bucket.put_object(f"clips/{clip.name}", clip.read_bytes())
    name = f"manifests/example{suffix}"
    bucket.put_object(name, (DEMO / "example.json").read_bytes())
    result = wait_for(bucket, f"results/{name}.json", timeout_s)
    deadline = time.monotonic() + timeout_s
    while list(oss2.ObjectIteratorV2(bucket, prefix="_clipstitch/open/")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return result


def fail_a_copy(endpoints: Endpoints, env: Mapping[str, str], target_bucket: str) -> None:
    """Copy in parts, with the access key of an environment; OSS refuses the small first part. No part is left then."""
    source = ObjectRef(DEFAULT_BUCKET, "_clipstitch/work/large.flac")
    target = ObjectRef(target_bucket, "merged/large.flac")
    bucket_named(endpoints, source.bucket).put_object(source.key, b"audio")
    store = store_of(endpoints, env)
    with pytest.raises(CloudRefused, match="EntityTooSmall"):
        store.copy(source, target, ObjectHeaders(), front=HeadReplacement(b"small"))
    assert [] == bucket_named(endpoints, target_bucket).list_multipart_uploads().upload_list


def store_of(endpoints: Endpoints, env: Mapping[str, str]) -> OssObjectStore:
    """Return the object store of the functions, with the access key of an environment."""
    return OssObjectStore(OssBuckets(endpoints.oss, endpoints.environment()["OSS_REGION"], read_access_key(env)))


def bucket_of(endpoints: Endpoints) -> Any:
    """Return a client of the project's bucket."""
    return bucket_named(endpoints, endpoints.environment().get("CLIPSTITCH_BUCKET", DEFAULT_BUCKET))


def bucket_named(endpoints: Endpoints, name: str) -> Any:
    """Return a client of a bucket, with the key of the account's owner."""
    key = endpoints.credential
    return oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), endpoints.oss, name)


def wait_for(bucket: Any, key: str, timeout_s: float) -> dict[str, Any]:
    """Wait for a JSON object and return it."""
    deadline = time.monotonic() + timeout_s
    while not bucket.object_exists(key):
        assert time.monotonic() < deadline, f"no {key} after {timeout_s} s"
        time.sleep(0.05)
    return json.loads(bucket.get_object(key).read())  # type: ignore[no-any-return]
