"""The objects of a finished world, their history, and what is expected of each job."""

import hashlib
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectContent, ObjectInfo
from tests.simulation.object_store import USER, Change
from tests.simulation.scenario import Expectation
from tests.simulation.setups import START, STATE
from tests.simulation.world import World, fact_ref, job_of_manifest

JOB_META, MANIFEST_META = "clipstitch-job", "clipstitch-manifest"


class History:
    """A finished world: `changes` of all objects, `written` without the deletions, `jobs` with their final `states`.

    `windows` counts by name the known races that occurred; docs/reliability.md describes them.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.stored = world.objects.stored
        self.changes = world.objects.changes
        self.written = [change for change in self.changes if change.body is not None]
        self.windows: Counter[str] = Counter()
        self.jobs = sorted({job for change in self.changes if (job := job_of(change.ref))})
        self.states: dict[str, str] = {job: world.final_state(job) or "open" for job in self.jobs}
        self._expectations = {
            job_of_manifest(change.ref, _content_of(change)): expected
            for change in self.written
            if change.actor == USER and (expected := world.scenario.expectations.get(change.body or b""))
        }

    def document(self, job: str, name: str) -> dict[str, Any]:
        """Return what is recorded with a fact of a job; empty if there is no such fact."""
        found = self.stored.get(fact_ref(self.world, job, name))
        return json.loads(found.body) if found else {}

    def expectation(self, job: str) -> Expectation | None:
        """Return what is expected of a job; None if no user uploaded its manifest."""
        return self._expectations.get(job)

    def failure_codes(self, job: str) -> tuple[str, ...]:
        """Return the codes with which a job must fail at its deadline; empty if it should finish earlier."""
        expected = self.expectation(job)
        return expected.failure_codes if expected else ()

    def is_stuck(self, job: str) -> bool:
        """Return True if a job cannot finish before its deadline."""
        expected = self.expectation(job)
        return expected is not None and expected.stuck

    def reason(self, job: str) -> str:
        """Return why a job did not succeed: the code of its error, or the list of the codes of its issues."""
        decision, result = self.document(job, "decision"), self.document(job, "result")
        error = decision.get("error") or result.get("error") or {}
        return str(error.get("code") or [issue["code"] for issue in decision.get("issues", ())])

    def etag_of(self, change: Change) -> str:
        """Return the ETag of an object as a change wrote it."""
        return _content_of(change).about.etag

    def written_to(self, ref: ObjectRef) -> list[Change]:
        """Return all writes of an object, in order."""
        return [change for change in self.written if change.ref == ref]


def job_meta(change: Change) -> str:
    """Return the job that a written object belongs to, by its metadata; "" if it belongs to none."""
    return change.meta.get(JOB_META, "")


def job_of(ref: ObjectRef) -> str:
    """Return the job of a marker or of a fact; "" for any other object."""
    parts = ref.key.removeprefix(STATE).split("/")
    return parts[1] if parts[0] == "open" else parts[2] if parts[0] == "jobs" else ""


def _content_of(change: Change) -> ObjectContent:
    """Return the object that a change wrote, as the object store describes it."""
    body = change.body or b""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    last_modified = (START + timedelta(seconds=change.time)).replace(microsecond=0)
    return ObjectContent(ObjectInfo(etag, len(body), last_modified), body)
