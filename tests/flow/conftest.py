"""A user's view of a running system: upload, drop, wait for the event. Real SDK clients over real HTTP."""

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mns.account import Account

from clipstitch.bootstrap import build_context
from clipstitch.common.errors import ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.context import Context

_NUMBERS = itertools.count()


class System:
    """The deployed system as its users meet it: a bucket, a queue, results."""

    def __init__(self, environment: Mapping[str, str], folder: str) -> None:
        self.environment = environment
        self.cloud: Context = build_context(environment)
        self.bucket = environment["CLIPSTITCH_BUCKET"]
        self.folder = folder

    def ref(self, key: str) -> ObjectRef:
        """Name an object of this test."""
        return ObjectRef(self.bucket, f"{self.folder}/{key}")

    def upload(self, clips: Mapping[str, bytes]) -> list[str]:
        """Upload clips, several at once, and return their keys in order."""
        refs = [self.ref(name) for name in clips]
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda pair: self.cloud.objects.write(*pair, ObjectHeaders()),
                    zip(refs, clips.values(), strict=True),
                )
            )
        return [ref.key for ref in refs]

    def drop(self, document: Mapping[str, Any] | str, name: str = "m.json") -> ObjectRef:
        """Upload a manifest below this test's folder."""
        text = document if isinstance(document, str) else json.dumps(document)
        ref = ObjectRef(self.bucket, f"manifests/{self.folder}/{name}")
        self.cloud.objects.write(ref, text.encode(), ObjectHeaders())
        return ref

    def manifest(self, target: str, clips: Sequence[Any], **fields: Any) -> dict[str, Any]:
        """Write a manifest whose output is this test's."""
        wanted = {"key": self.ref(target).key, **fields.pop("output", {})}
        return {"version": 1, "output": wanted, "clips": list(clips), **fields}

    def result(self, manifest: ObjectRef, seconds: float = 30) -> dict[str, Any]:
        """Wait for the result object of a manifest."""
        ref = ObjectRef(self.bucket, f"results/{manifest.key}.json")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                return json.loads(self.cloud.objects.read(ref).body)  # type: ignore[no-any-return]
            except ObjectNotFound:
                time.sleep(0.02)
        pytest.fail(f"{ref.uri} did not appear within {seconds} s")

    def closed(self, job: str, seconds: float = 10) -> None:
        """Wait until nothing of a job is left but its facts."""
        deadline = time.monotonic() + seconds
        while self.left(job):
            assert time.monotonic() < deadline, self.left(job)
            time.sleep(0.02)

    def left(self, job: str) -> list[str]:
        """Return what still lies about of a job besides its facts."""
        places = (f"_clipstitch/open/{job}", f"_clipstitch/work/{job}/")
        return [found.key for place in places for found in self.cloud.objects.list(self.bucket, place)]

    def body(self, key: str) -> bytes:
        """Return an object of this test."""
        return self.cloud.objects.read(self.ref(key)).body

    def events(self, job: str, seconds: float = 5) -> list[dict[str, Any]]:
        """Receive from the events queue until the event of a job comes; return all of that job's so far."""
        env = self.environment
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = queue.receive_message_with_str_body(5)
            queue.delete_message(message.receipt_handle)
            event = json.loads(message.message_body)
            if event["data"]["job"] == job:
                return [event]
        pytest.fail(f"no event of {job} within {seconds} s")


@pytest.fixture
def system(cloud_environment: dict[str, str]) -> System:
    """Return the running system, with a folder of its own for each test."""
    return System(cloud_environment, f"flow-{next(_NUMBERS)}")
