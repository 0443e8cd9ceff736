"""One whole job on a local cloud: clips and a manifest go in, a result comes out."""

import json
import time
from typing import Any

import oss2

from localyun.server import Endpoints
from tests.deploy.tools import ROOT

DEMO = ROOT / "examples" / "demo"
SOUNDS = (".mp3", ".wav", ".oga", ".aac", ".wma")


def run_job(endpoints: Endpoints, suffix: str = ".json", grace_period_s: float = 30) -> dict[str, Any]:
    """Upload the demo's clips and manifest, wait for its result, and wait until nothing of the work is left."""
    bucket = bucket_of(endpoints)
    for clip in sorted(DEMO.iterdir()):
        if clip.suffix in SOUNDS:
            bucket.put_object(f"clips/{clip.name}", clip.read_bytes())
    name = f"manifests/example{suffix}"
    bucket.put_object(name, (DEMO / "example.json").read_bytes())
    result = wait_for(bucket, f"results/{name}.json", grace_period_s)
    deadline = time.monotonic() + grace_period_s
    while list(oss2.ObjectIteratorV2(bucket, prefix="_clipstitch/open/")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return result


def bucket_of(endpoints: Endpoints) -> Any:
    """Open the bucket as its owner."""
    key = endpoints.credential
    auth = oss2.Auth(key.access_key_id, key.access_key_secret)
    return oss2.Bucket(auth, endpoints.oss, endpoints.environment()["CLIPSTITCH_BUCKET"])


def wait_for(bucket: Any, key: str, grace_period_s: float) -> dict[str, Any]:
    """Read a JSON object as soon as it is there."""
    deadline = time.monotonic() + grace_period_s
    while not bucket.object_exists(key):
        assert time.monotonic() < deadline, f"no {key} after {grace_period_s} s"
        time.sleep(0.05)
    return json.loads(bucket.get_object(key).read())  # type: ignore[no-any-return]
