"""Every job ends in one correct state, for a true and complete reason, and nothing is left over."""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.audio_service import FORGED_MESSAGE
from tests.simulation.faults import REFUSED
from tests.simulation.invariants.history import History, job_meta
from tests.simulation.scenario import Expectation
from tests.simulation.setups import STUCK
from tests.simulation.world import job_of_manifest

_FINAL_STATES = ("succeeded", "failed", "rejected")
_CLOCK_TOLERANCE_S = 12  # clocks differ by at most 10 s


def check_final_states(history: History) -> Iterator[str]:
    """Check that every manifest has a job, that every job is closed in an expected state, and no leftovers."""
    world = history.world
    yield from (f"{job} is open after all sweeps" for job in world.still_open)
    for ref, content in history.stored.items():
        if ref.key.startswith(world.settings.manifest_prefix) and job_of_manifest(ref, content) not in history.jobs:
            yield f"{ref.key} has no job"
    for job, state in history.states.items():
        if state not in _FINAL_STATES:
            yield f"{job} ended as {state}"
        elif state not in (allowed := _allowed_states(history, job)):
            expected = " or ".join(sorted(allowed)) or f"failed with {history.failure_codes(job)}"
            yield f"{job} is {state} ({history.reason(job)}), expected {expected}"
    yield from (f"left over: {key}" for key in world.leftover_keys())


def check_reasons(history: History) -> Iterator[str]:
    """Check that rejections name all issues, no failure is forged, and no job fails before its deadline."""
    deadline_s = history.world.settings.deadline_s
    for job, state in history.states.items():
        expected, decision = history.expectation(job), history.document(job, "decision")
        issues = {issue["code"] for issue in decision.get("issues", ())}
        if state == "rejected" and expected and not issues.issuperset(expected.issues):
            yield f"{job} was rejected for {sorted(issues)}, without {expected.issues}"
        if FORGED_MESSAGE in (decision.get("error") or {}).get("message", ""):
            yield f"{job} failed with the message of a forged notification"
        if history.reason(job) == "DEADLINE_PASSED":
            open_s = _open_for_s(history, job)
            if open_s < deadline_s - _CLOCK_TOLERANCE_S:
                yield f"{job} failed at its deadline although it was open for {open_s:.0f} s only"


def check_waiting_jobs(history: History) -> Iterator[str]:
    """Check that no job waits long for jobs that cannot finish."""
    if history.world.outcomes_are_known and history.world.setup.theme == STUCK:
        waiting = [job for job in history.world.waiting_jobs if not history.is_stuck(job)]
        yield from (f"{job} waits although only other jobs are stuck" for job in waiting)


def _allowed_states(history: History, job: str) -> set[str]:
    """Return the states in which a job may end, given its reason and the faults of the world."""
    world, expected, reason = history.world, history.expectation(job), history.reason(job)
    if expected is None:
        return set()
    allowed = set(_expected_states(expected, reason))
    if world.faults[REFUSED]:
        allowed |= {"failed", "rejected"}
    if reason == "SUPERSEDED" and _output_has_other_owner(history, job, expected):
        allowed.add("failed")  # found before the clips are looked at
    if reason == "MANIFEST_GONE" and (_manifest_was_changed(history, expected) or world.setup.moves_manifests):
        allowed.add("failed")
    if world.setup.narrows_outputs and "OUTPUT_NOT_ALLOWED" in reason:
        allowed |= {"failed", "rejected"}
    if expected.valid and _may_fail(history, job, expected, reason):
        allowed.add("failed")
    if "OUTPUT_EXISTS" in reason and _output_has_other_owner(history, job, expected):
        allowed.add("rejected")  # found before the job was planned
    return allowed


def _expected_states(expected: Expectation, reason: str) -> Iterator[str]:
    """Yield the states that the manifest alone accounts for."""
    if expected.failure_codes:
        if reason in expected.failure_codes:
            yield "failed"
    elif expected.valid:
        yield "succeeded"
    if not expected.valid or expected.clip_missing or expected.clips is None:
        yield "rejected"


def _may_fail(history: History, job: str, expected: Expectation, reason: str) -> bool:
    """Return True if the events of the world explain the failure of a job with a valid manifest."""
    world = history.world
    return (
        (reason in ("SUPERSEDED", "OUTPUT_EXISTS") and _output_has_other_owner(history, job, expected))
        or (reason in ("LENGTH_DIFFERS", "CLIP_CHANGED") and _is_strict_about(history, job))
        or job in world.audio.failed_jobs
        or (reason == "Throttling.User" and _retries_are_exhausted(history, job))
        or (reason == "DEADLINE_PASSED" and not world.outcomes_are_known)
    )


def _is_strict_about(history: History, job: str) -> bool:
    """Return True if a job is strict, and one of its clips was altered."""
    keys = {clip["key"] for clip in history.document(job, "planned").get("clips", ())}
    return history.world.settings.strict and not keys.isdisjoint(history.world.scenario.altered)


def _retries_are_exhausted(history: History, job: str) -> bool:
    """Return True if one step of a job failed transiently as often as it may."""
    names = [ref.key.rpartition("/")[2].split(".") for ref in history.stored if f"/{job}/step-" in ref.key]
    failures = Counter(step for step, kind, *_ in names if kind == "failed-transiently")
    return max(failures.values(), default=0) >= history.world.settings.max_retries


def _manifest_was_changed(history: History, expected: Expectation) -> bool:
    """Return True if a manifest was overwritten or deleted."""
    return sum(upload.key == expected.manifest_key for upload in history.world.scenario.uploads) > 1


def _output_has_other_owner(history: History, job: str, expected: Expectation) -> bool:
    """Return True if another job, or a user, wrote an object under the key of the output, or of its chapters."""
    keys = {expected.output_key, expected.output_key.replace(".mp3", ".vtt")}
    owners = {job_meta(change) for change in history.written if change.ref.key in keys}
    return bool(owners - {job})


def _open_for_s(history: History, job: str) -> float:
    """Return for how many seconds a job had been open when it was decided."""
    keys = (f"/open/{job}", f"/{job}/decision.json", f"/{job}/result.json")
    opened_at, *decided_at = (
        change.time for change in history.written if change.actor > 0 and f"/{change.ref.key}".endswith(keys)
    )
    return decided_at[-1] - opened_at if decided_at else 0.0
