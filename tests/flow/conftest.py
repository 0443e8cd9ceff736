"""The deployed system from a user's point of view: upload clips, drop a manifest, wait for the event."""

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
    """The deployed system: a bucket, an events queue and result objects, with a folder for the objects of one test."""

    def __init__(self, environment: Mapping[str, str], folder: str) -> None:
        self.environment = environment
        self.cloud: Context = build_context(environment)
        self.bucket = environment["CLIPSTITCH_BUCKET"]
        self.folder = folder

    def ref(self, key: str) -> ObjectRef:
        """Return the reference of an object in the folder of this test, below the prefix that s.yaml gives outputs."""
        return ObjectRef(self.bucket, f"merged/{self.folder}/{key}")

    def upload(self, clips: Mapping[str, bytes]) -> list[str]:
        """Upload clips in parallel, and return their keys in order."""
        refs = [self.ref(name) for name in clips]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda ref, body: self.cloud.objects.write(ref, body, ObjectHeaders()), refs, clips.values()))
        return [ref.key for ref in refs]

    def drop(self, document: Mapping[str, Any] | str, name: str = "m.json") -> ObjectRef:
        """Upload a manifest under the manifest prefix and the folder of this test, and return its reference."""
        text = document if isinstance(document, str) else json.dumps(document)
        ref = ObjectRef(self.bucket, f"manifests/{self.folder}/{name}")
        self.cloud.objects.write(ref, text.encode(), ObjectHeaders())
        return ref

    def manifest(self, target: str, clips: Sequence[Any], **fields: Any) -> dict[str, Any]:
        """Return a manifest whose output is in the folder of this test."""
        output = {"key": self.ref(target).key, **fields.pop("output", {})}
        return {"version": 1, "output": output, "clips": list(clips), **fields}

    def result(self, manifest: ObjectRef, seconds: float = 30) -> dict[str, Any]:
        """Wait for the result object of a manifest, and return it."""
        ref = self.cloud.settings.result_ref(manifest)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                return json.loads(self.cloud.objects.read(ref).body)  # type: ignore[no-any-return]
            except ObjectNotFound:
                time.sleep(0.02)
        pytest.fail(f"{ref.uri} did not appear within {seconds} s")

    def wait_until_closed(self, job: str, seconds: float = 10) -> None:
        """Wait until a job has no open marker and no work objects."""
        deadline = time.monotonic() + seconds
        while self.leftover_keys(job):
            assert time.monotonic() < deadline, self.leftover_keys(job)
            time.sleep(0.02)

    def leftover_keys(self, job: str) -> list[str]:
        """Return the keys of a job's open marker and work objects."""
        prefixes = (f"_clipstitch/open/{job}", f"_clipstitch/work/{job}/")
        return [listed.key for prefix in prefixes for listed in self.cloud.objects.list(self.bucket, prefix)]

    def decisions(self) -> list[ObjectRef]:
        """Return the decisions of all jobs."""
        facts = self.cloud.objects.list(self.bucket, "_clipstitch/jobs/")
        return [ObjectRef(self.bucket, fact.key) for fact in facts if fact.key.endswith("/decision.json")]

    def body(self, key: str) -> bytes:
        """Return the body of an object in the folder of this test."""
        return self.cloud.objects.read(self.ref(key)).body

    def events(self, job: str, seconds: float = 5) -> list[dict[str, Any]]:
        """Receive messages from the events queue until one has the event of a job; return the events of that job."""
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
    """Return the running system, with a separate folder for each test."""
    return System(cloud_environment, f"flow-{next(_NUMBERS)}")
