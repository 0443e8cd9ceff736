"""What must be true in the end, whatever happened: the promises of the design, read off the objects and their history.

Everything here looks at what users and sinks can see, and at the facts; nothing asks the product whether it is right.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ObjectRef, is_newer
from clipstitch.common.ports import ObjectContent, ObjectInfo
from tests.simulation.receivers import broken_promises
from tests.simulation.scenario import CALM, FOREIGN, Wish
from tests.simulation.setups import BUCKET, HARD
from tests.simulation.world import (
    BEGINNING,
    FORGED,
    REFUSED,
    RESULTS,
    STATE,
    Change,
    World,
    fact_ref,
    job_of_manifest,
)

FINAL = ("succeeded", "failed", "rejected")
JOB = "clipstitch-job"
ONCE = ("/planned.json", "/decision.json", "/result.json")
_SLACK_S = 12  # twice as much as clocks may differ


class Finding(NamedTuple):
    """Everything that is wrong with one world, and what is known to be possible and happened."""

    violations: tuple[str, ...]
    states: Counter[str]
    windows: Counter[str]


class Judge:
    """Looks at a world that has come to its end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stored = world.objects.stored
        self.changes = world.objects.changes
        self.windows: Counter[str] = Counter()
        parts = (change.ref.key.removeprefix(STATE).split("/") for change in self.changes if change.by >= 0)
        named = (part[1] if part[0] == "open" else part[2] if part[0] == "jobs" else "" for part in parts)
        self.jobs = sorted({name for name in named if name})
        self.states = {job: self.document(job, "closed").get("state", "open") for job in self.jobs}
        self.written = [change for change in self.changes if change.body is not None]
        uploaded = (
            (change, world.scenario.wishes.get(change.body or b"")) for change in self.written if change.by == 0
        )
        self.wishes = {job_of_manifest(change.ref, _described(change)): wish for change, wish in uploaded if wish}

    def document(self, job: str, name: str) -> dict[str, Any]:
        """Read a fact of a job; empty when there is none."""
        found = self.stored.get(fact_ref(self.world, job, name))
        return json.loads(found.body) if found else {}

    def findings(self) -> Finding:
        """Check every promise."""
        ends = (self._ends, self._reasons, self._events, self._results)
        checks = (*ends, self._outputs, self._once, self._prefixes, self._calm)
        found = [*self.world.violations, *(problem for check in checks for problem in check())]
        return Finding(tuple(dict.fromkeys(found)), Counter(self.states.values()), self.windows)

    # Promise 1: exactly one final state

    def _ends(self) -> Iterator[str]:
        """Every version that became a job, and every manifest that is still there, ends once; nothing is left."""
        yield from (f"{job} was still open after all sweeps" for job in self.world.still_open)
        for ref in [ref for ref in self.stored if ref.key.startswith(self.world.settings.manifest_prefix)]:
            job = job_of_manifest(ref, self.stored[ref])
            if job not in self.jobs:
                yield f"{ref.key} never became a job"
        for job, state in self.states.items():
            if state not in FINAL:
                yield f"{job} ended as {state}"
            elif state not in (allowed := self._allowed(job)):
                expected = " or ".join(sorted(allowed)) or f"failed with {self._hard(job)}"
                yield f"{job} is {state} ({self._why(job)}), expected {expected}"
        yield from (f"left over: {key}" for key in self.world.open_keys())

    def _wish(self, job: str) -> Wish | None:
        """Find what the author of a job's manifest may expect."""
        return self.wishes.get(job)

    def _why(self, job: str) -> str:
        """Say why a job did not succeed, in its own words."""
        decision, result = self.document(job, "decision"), self.document(job, "result")
        error = decision.get("error") or result.get("error") or {}
        return str(error.get("code") or [issue["code"] for issue in decision.get("issues", ())])

    def _allowed(self, job: str) -> set[str]:
        """Say which states a job may end in."""
        world, wish, why = self.world, self._wish(job), self._why(job)
        if wish is None:
            return set()
        allowed = set(self._wished(wish, why))
        if world.faults[REFUSED]:
            allowed |= {"failed", "rejected"}
        if why == "MANIFEST_GONE" and (self._gone(wish) or "manifest_prefix" in world.setup.change):
            allowed.add("failed")
        if "output_prefixes" in world.setup.change and "OUTPUT_NOT_ALLOWED" in why:
            allowed |= {"failed", "rejected"}
        if not wish.good:
            return allowed
        if why in ("SUPERSEDED", "OUTPUT_EXISTS") and self._others(job, wish):
            allowed.add("failed")
        if job in world.doomed or (why == "Throttling.User" and self._tried_enough(job)):
            allowed.add("failed")
        if why == "DEADLINE_PASSED" and not world.all_can_end():
            allowed.add("failed")
        return allowed

    def _wished(self, wish: Wish, why: str) -> Iterator[str]:
        """Name the states that a manifest alone accounts for."""
        if wish.fails:
            yield from ("failed",) if why in wish.fails else ()
        elif wish.good:
            yield "succeeded"
        if not wish.good or wish.missing or wish.clips is None:
            yield "rejected"

    def _tried_enough(self, job: str) -> bool:
        """Say whether one of a job's steps faltered as often as it may."""
        names = [ref.key.rpartition("/")[2].split(".") for ref in self.stored if f"/{job}/step-" in ref.key]
        faltered = Counter(step for step, kind, *_ in names if kind == "failed-transiently")
        return max(faltered.values(), default=0) >= self.world.settings.max_retries

    def _gone(self, wish: Wish) -> bool:
        """Say whether a manifest was overwritten or removed."""
        return sum(upload.key == wish.key for upload in self.world.scenario.uploads) > 1

    def _others(self, job: str, wish: Wish) -> bool:
        """Say whether anybody else made an object of the same name."""
        owners = {change.meta.get(JOB, "") for change in self.written if change.ref.key == wish.output}
        return bool(owners - {job})

    def _reasons(self) -> Iterator[str]:
        """Let reasons be true, and complete; let nobody wait because of somebody else."""
        for job, state in self.states.items():
            wish, decision, why = self._wish(job), self.document(job, "decision"), self._why(job)
            named = {issue["code"] for issue in decision.get("issues", ())}
            if state == "rejected" and wish and not named.issuperset(wish.issues):
                yield f"{job} was rejected for {sorted(named)}, and not for {wish.issues}"
            if FORGED in (decision.get("error") or {}).get("message", ""):
                yield f"{job} failed with words that the cloud has never said"
            if why == "DEADLINE_PASSED" and (time := self._open_for(job)) < self.world.settings.deadline_s - _SLACK_S:
                yield f"{job} was given up when it had been open for {time:.0f} s"
        if self.world.all_can_end() and self.world.setup.theme == HARD:
            waiting = [job for job in self.world.waiting if not self._hard(job)]
            yield from (f"{job} waits although nothing but other jobs is in its way" for job in waiting)

    def _open_for(self, job: str) -> float:
        """Say how long a job had been open when it was decided."""
        wanted = (f"/open/{job}", f"/{job}/decision.json", f"/{job}/result.json")
        opened, *decided = (c.time for c in self.written if c.by > 0 and f"/{c.ref.key}".endswith(wanted))
        return decided[-1] - opened if decided else 0.0

    def _hard(self, job: str) -> tuple[str, ...]:
        """Return the codes with which a job may end that can do so at its deadline only."""
        wish = self._wish(job)
        return wish.fails if wish else ()

    # Promise 3: every sink, the same id, one content

    def _events(self) -> Iterator[str]:
        """Every sink of a job heard of it, under one id and with one content."""
        contents: dict[str, set[str]] = {}
        heard: set[tuple[str, str]] = set()
        for post in self.world.receivers.posted:
            contents.setdefault(post.event_id, set()).add(post.text)
            if 200 <= post.status < 300:
                heard.add((post.job, post.hook.lower()))
        for kind, _, text in self.world.messages.said:
            event = json.loads(text)
            contents.setdefault(event["id"], set()).add(text)
            heard.add((event["data"]["job"], {"topic": "events", "queue": "queue"}[kind]))
        yield from (f"event {name} has {len(texts)} contents" for name, texts in contents.items() if len(texts) > 1)
        ids = Counter(name.rpartition(".")[0] for name in contents)
        yield from (f"{job} has {count} event ids" for job, count in ids.items() if count > 1)
        for name in contents:
            job, _, state = name.rpartition(".")
            if self.states.get(job) != state:
                yield f"{name} was told, but the job is {self.states.get(job)}"
        for job in self.jobs:
            for sink in self.document(job, "decision").get("sinks", ()):
                told = self.document(job, f"delivered.{sink}")
                if "at" not in told or ((job, sink) not in heard and "error" not in told):
                    yield f"{job} was never told to {sink}"
        yield from broken_promises(self)

    # The result object: the newest job's

    def _results(self) -> Iterator[str]:
        """Every manifest that had a job has a result, of its newest job."""
        by_key: dict[str, list[str]] = {}
        for job in self.jobs:
            if uri := self.document(job, "decision").get("manifest", {}).get("ref", {}).get("key"):
                by_key.setdefault(uri, []).append(job)
        for key, jobs in by_key.items():
            found = self.stored.get(ObjectRef(BUCKET, f"{RESULTS}{key}.json"))
            told = [job for job in jobs if "error" not in self.document(job, "delivered.result")]
            if found is None:
                if told:
                    yield f"{key} has no result object"
                continue
            event = json.loads(found.body)
            if event["data"]["state"] != self.states.get(event["data"]["job"]):
                yield f"the result of {key} says {event['id']}"
            before = self.windows["result object"]
            yield from self._stale(ObjectRef(BUCKET, f"{RESULTS}{key}.json"), "result object")
            if told and is_newer(max(told), than=event["data"]["job"]) and self.windows["result object"] == before:
                yield f"the result of {key} is not of its newest job"

    def _stale(self, ref: ObjectRef, what: str) -> Iterator[str]:
        """Complain about an older job's writing over a newer one's, unless it looked before the newer one wrote."""
        history = [change for change in self.changes if change.ref == ref]
        for number, change in enumerate(history):
            owner = change.meta.get(JOB, "")
            seen = [earlier.meta.get(JOB, "") for earlier in history[:number] if earlier.time <= change.looked]
            if change.by <= 0 or change.body is None or number == 0:
                continue
            if seen and is_newer(seen[-1], than=owner):
                yield f"{ref.key} of {seen[-1]} was replaced by the older {owner}"
            elif is_newer(history[number - 1].meta.get(JOB, ""), than=owner):
                self.windows[what] += 1

    # Promise 2: whole or not at all, and then unchanged

    def _outputs(self) -> Iterator[str]:
        """Let outputs be what their plans say; no duplicate, no older job, and nobody without leave changes them."""
        outputs = sorted({wish.output for wish in self.world.scenario.wishes.values()})
        for ref in (ObjectRef(BUCKET, key) for key in outputs):
            history = [change for change in self.written if change.ref == ref]
            mine = [change for change in history if change.by > 0]
            yield from (problem for change in mine for problem in (*self._whole(change), *self._forbidden(change)))
            yield from (problem for pair in pairwise(history) for problem in self._replaced(*pair))
            yield from self._stale(ref, "output of a newer job")
            owners = {change.meta.get(JOB, "") for change in history}
            for job in sorted(owners - {""}):
                if self.states.get(job) == "succeeded":
                    continue
                if self.world.faults[REFUSED] or self._why(job) in ("SUPERSEDED", "OUTPUT_EXISTS", *self._narrowed()):
                    self.windows["one run published, another settled that it was refused"] += 1
                else:
                    yield f"{job} is {self.states.get(job)}, but published {ref.key}"
            for job in self._succeeded(ref):
                if job not in owners:
                    yield f"{job} succeeded without publishing {ref.key}"

    def _narrowed(self) -> tuple[str, ...]:
        """Return the reason that there may be for refusing every output, from some time on."""
        return ("OUTPUT_NOT_ALLOWED",) if "output_prefixes" in self.world.setup.change else ()

    def _forbidden(self, change: Change) -> Iterator[str]:
        """Complain about publishing where the settings that a run began with do not allow it."""
        if self._narrowed() and self.world.functions[change.by].began > self.world.setup.changed_at:
            yield f"{change.ref.key} was published where it was not allowed any more"

    def _succeeded(self, ref: ObjectRef) -> Iterator[str]:
        """Name the jobs that say they made an object."""
        for job in self.jobs:
            target = self.document(job, "planned").get("output", {}).get("ref", {})
            if self.states[job] == "succeeded" and target.get("key") == ref.key:
                yield job

    def _whole(self, change: Change) -> Iterator[str]:
        """Compare an output with its plan, and the plan with the wish."""
        job = change.meta.get(JOB, "")
        body = change.body or b""
        names = json.loads(body[body.find(b'{"duration_s"') :])["names"]  # chapters may stand in front
        planned = [clip["key"] for clip in self.document(job, "planned").get("clips", ())]
        wish = self._wish(job)
        if names != planned:
            yield f"{change.ref.key} of {job} is {names}, planned {planned}"
        if wish and wish.clips is not None and list(wish.clips) != names:
            yield f"{change.ref.key} of {job} is {names}, wished {wish.clips}"

    def _replaced(self, before: Change, after: Change) -> Iterator[str]:
        """Judge one object taking the place of another."""
        old, new = before.meta.get(JOB, ""), after.meta.get(JOB, "")
        if after.by <= 0:
            return
        if old == new:
            if before.body != after.body:
                yield f"{after.ref.key}: a duplicate of {new} changed the output"
            settled = [c.time for c in self.written if c.ref == fact_ref(self.world, new, "result")]
            if settled and settled[0] < self.world.functions[after.by].began:
                yield f"{after.ref.key}: {new} published again after its result was settled"
            return
        plan = self.document(new, "planned")
        same = before.meta.get("clipstitch-manifest") == after.meta.get("clipstitch-manifest")
        if same or plan.get("output", {}).get("overwrite"):
            return
        if after.looked < before.time and after.looked >= 0 and after.before is not None and self._looked_at_own(after):
            self.windows["another manifest's output"] += 1
        else:
            whose = "a user's object" if before.body == FOREIGN else old
            yield f"{after.ref.key}: {new} replaced {whose} without leave"

    def _looked_at_own(self, change: Change) -> bool:
        """Say whether what a run saw before it wrote was its own manifest's, so that it had leave to replace it."""
        seen = [c for c in self.written if c.ref == change.ref and c.time <= change.looked]
        return bool(seen) and seen[-1].meta.get("clipstitch-manifest") == change.meta.get("clipstitch-manifest")

    # The three create-once documents

    def _once(self) -> Iterator[str]:
        """Let what was decided once stay."""
        bodies: dict[str, set[bytes]] = {}
        for change in self.written:
            if change.ref.key.startswith(f"{STATE}jobs/") and change.ref.key.endswith(ONCE):
                bodies.setdefault(change.ref.key, set()).add(change.body or b"")
        yield from (f"{key} was written with {len(texts)} contents" for key, texts in bodies.items() if len(texts) > 1)

    # Promise 6: nowhere else

    def _prefixes(self) -> Iterator[str]:
        """Let runs touch the state, the results and the outputs, and tasks only the work folder."""
        outputs = {wish.output for wish in self.world.scenario.wishes.values() if wish.good}
        beside = {key.rpartition(".")[0] + ".vtt" for key in outputs}
        state_bucket = self.world.setup.state_bucket or BUCKET
        for change in self.changes:
            key, work = change.ref.key, change.ref.key.startswith(f"{STATE}work/")
            fact = key.startswith(STATE) and not work
            mine = fact or work or key.startswith(RESULTS) or (change.body is not None and key in outputs | beside)
            wrong = change.ref.bucket != (state_bucket if fact else BUCKET)
            if wrong or (change.by > 0 and not mine) or (change.by < 0 and not work):
                yield f"{change.ref.uri} was touched by {change.by}"

    # Without faults nothing needs the sweep, and nobody starts a step that somebody else's end has started

    def _calm(self) -> Iterator[str]:
        """Duplicates, delays and any order alone are no reason to wait for the sweep, nor to pay twice."""
        if self.world.weather.kind != CALM or self.world.faults["run timed out"]:
            return
        if not self.world.closed_without_sweeps:
            yield "without any fault, a job needed the sweep"
        for (job, step), causes in self.world.causes.items():
            if len(causes) > 1:
                yield f"step {step} of {job} was started by the ends of {sorted(causes)}"


def _described(change: Change) -> ObjectContent:
    """Return the object that a change made, as the store describes it."""
    body = change.body or b""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    written = (BEGINNING + timedelta(seconds=change.time)).replace(microsecond=0)
    return ObjectContent(ObjectInfo(etag, len(body), written), body)
