"""Look after everything that waits too long: lost uploads, lost notices, dead functions, clips that come late.

A timer calls it. It trusts no message, only objects; whatever it does is what submit and complete would have done.
Its cost grows with open jobs and recent manifests, not with history.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from clipstitch.advance import advance
from clipstitch.cloud import Cloud
from clipstitch.complete import record_failure
from clipstitch.errors import ClipstitchError, Missing, NoAnswer
from clipstitch.job import CLAIMED, FALTERED, SUCCEEDED, TOLD, WAITING, Fact, Failure, Job, Verdict, sink_of
from clipstitch.ledger import Ledger
from clipstitch.log import say
from clipstitch.notice import Notice
from clipstitch.plan import WORK, Step
from clipstitch.ports import Ended
from clipstitch.refs import ManifestRef, ObjectRef, is_job_id, uploaded_at
from clipstitch.submit import submit

SEEN = "seen"  # stands for the task of a step whose object was found


class Report(NamedTuple):
    """What a sweep did: ids of jobs looked at, manifests found, and jobs that could not be helped this time."""

    looked_at: tuple[str, ...]
    found: tuple[str, ...]
    troubled: tuple[str, ...]


class _Round(NamedTuple):
    """How jobs are looked after: `silent` are the sinks that gave no answer in this round, one wait for each is enough.

    `at_once`: somebody asks for a job, so nothing rests.
    """

    silent: set[str]
    at_once: bool = False


def sweep(cloud: Cloud) -> Report:
    """Bring every open job on, and find manifests whose event never came. No job's trouble stops the others."""
    ledger = cloud.ledger(cloud.settings.bucket)
    looked_at, found, troubled = [], [], []
    open_jobs, this = list(ledger.open_jobs()), _Round(set())
    for job_id in open_jobs:
        try:
            _look_after(job_id, ledger, cloud, this)
        except Exception as error:  # noqa: BLE001 - what is wrong with one job, even by our mistake, stops no other
            say("sweep-trouble", job=job_id, **_words(error))
            troubled.append(job_id)
        looked_at.append(job_id)
    for manifest in _recent_manifests(cloud):
        try:
            job = submit(manifest, cloud)
        except Exception as error:  # noqa: BLE001 - as above
            say("sweep-trouble", manifest=manifest.uri, **_words(error))
            troubled.append(manifest.uri)
        else:
            if job and job.id not in open_jobs and not job.closed:
                found.append(job.id)
    _clear_orphans(ledger, cloud)
    return Report(tuple(looked_at), tuple(found), tuple(troubled))


def _words(error: Exception) -> dict[str, str]:
    """Say what is wrong, for the log."""
    if isinstance(error, ClipstitchError):
        return error.as_json()
    return {"code": type(error).__name__, "message": str(error)}


def retry(job_id: str, ledger: Ledger, cloud: Cloud) -> Job:
    """Do for one job now what sweeps do as time goes by: no patience, no rest; return how it is then."""
    _look_after(job_id, ledger, cloud, _Round(set(), at_once=True))
    return ledger.load(job_id)


def _look_after(job_id: str, ledger: Ledger, cloud: Cloud, this: _Round) -> None:
    """Do for one job what its missing messages would have done."""
    job = ledger.load(job_id)
    if job.closed:
        ledger.clear(job)
    elif not (this.at_once or job.owed or job.knows(WAITING) or _patient(job, cloud)):
        return  # whoever started it is probably still at it
    elif job.plan is None and job.verdict is None:
        _submit_again(job, ledger, cloud)
    elif job.verdict is None and _waited(_begun(job, ledger), cloud.settings.deadline_s, cloud):
        advance(ledger.judge(job, _too_late(job, cloud)), ledger, cloud)
    else:
        job, resting = _look_at_steps(job, ledger, cloud)
        due = frozenset(owed for owed in _untold(job) if this.at_once or _due_again(owed, job, ledger, cloud))
        asleep = this.silent | (frozenset() if this.at_once else resting)
        now = advance(job, ledger, cloud, "sweep", frozenset(asleep), due)
        this.silent.update(_silent(now, set(now.owed.values()) - set(job.owed.values()), ledger))


def _patient(job: Job, cloud: Cloud) -> bool:
    """Say whether whoever started a job has had the time to go on with it."""
    return _waited(uploaded_at(job.id), cloud.settings.patience_s, cloud)


def _untold(job: Job) -> list[Fact]:
    """Return the last attempts at sinks that have not been told since."""
    return [owed for sink, owed in job.owed.items() if sink not in job.details(TOLD)]


def _due_again(owed: Fact, job: Job, ledger: Ledger, cloud: Cloud) -> bool:
    """Say whether a sink that was told in vain may be told again."""
    return cloud.clock.now() >= _moment(ledger.document(job.id, owed)["next"])


def _silent(job: Job, attempts: Iterable[Fact], ledger: Ledger) -> Iterator[str]:
    """Name the sinks that gave no answer at these attempts; answers, even bad ones, take no time."""
    for attempt in attempts:
        if ledger.document(job.id, attempt)["error"]["code"] == NoAnswer.code:
            yield sink_of(attempt)


def _begun(job: Job, ledger: Ledger) -> datetime:
    """Return from when a job's deadline counts: its upload, or the end of the time in which clips may come."""
    if not job.knows(WAITING):
        return uploaded_at(job.id)
    return _moment(ledger.document(job.id, Fact(WAITING))["until"])


def _moment(stamp: object) -> datetime:
    """Read a timestamp that a fact carries."""
    return datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))


def _submit_again(job: Job, ledger: Ledger, cloud: Cloud) -> None:
    """Plan a job whose planning broke off, or that waits for clips; fail it when its manifest is not there any more."""
    manifest = ledger.manifest_of(job.id)
    now = submit(manifest, cloud)
    if now is not None and now.id == job.id:
        return
    error = Failure(
        "MANIFEST_GONE", f"{manifest.uri} is gone, or was overwritten, before it was planned", _UPLOAD_AGAIN
    )
    sinks = cloud.settings.sink_names
    verdict = Verdict("fail", ManifestRef(manifest, ""), cloud.timestamp(), sinks, error=error, planned=False)
    advance(ledger.judge(job, verdict), ledger, cloud)


def _too_late(job: Job, cloud: Cloud) -> Verdict:
    """Fail a job whose time is over."""
    if job.plan is None:
        raise ClipstitchError(f"job {job.id} has no plan")
    hours = cloud.settings.deadline_s / 3600
    error = Failure("DEADLINE_PASSED", f"not finished {hours:g} h after its manifest came", _UPLOAD_AGAIN)
    return Verdict("fail", job.plan.manifest, cloud.timestamp(), job.plan.sinks, error=error)


_UPLOAD_AGAIN = "Upload the manifest again; docs/operate.md says where to look for the cause."


def _look_at_steps(job: Job, ledger: Ledger, cloud: Cloud) -> tuple[Job, frozenset[int]]:
    """Find out how running tasks ended whose notices did not come, and which steps rest before their next attempt."""
    resting = set()
    for step in job.plan.steps if job.plan and job.verdict is None else ():
        if step.number in job.steps(SUCCEEDED):
            continue
        if running := job.running(step.number):
            job = _look_at(step, sorted(running), job, ledger, cloud)
        if not _due(step, job, ledger, cloud):
            resting.add(step.number)
    return job, frozenset(resting)


def _look_at(step: Step, tasks: list[str], job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Believe the object, or else what the cloud says of the tasks."""
    try:
        made = cloud.objects.describe(step.target)
    except Missing:
        for task in tasks:
            job = _ask(task, step, job, ledger, cloud)
        return job
    return ledger.add(job, Fact(SUCCEEDED, step.number, SEEN), {"size": made.size, "at": cloud.timestamp()})


def _ask(task: str, step: Step, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Ask the cloud how a task ended; one that ended well without an object will be waited for until the deadline."""
    ended: Ended | None = cloud.audio.ended(task)
    if ended is None or ended.succeeded:
        return job
    failed = Notice(task, succeeded=False, code=ended.code, message=ended.message)
    return record_failure(failed, step, job, ledger, cloud)


def _due(step: Step, job: Job, ledger: Ledger, cloud: Cloud) -> bool:
    """Say whether a step may be started: nobody has just claimed it, and it has rested after it faltered.

    It rests for one patience, then two, four, and so on.
    """
    marks = sorted(fact for fact in job.facts if fact.kind in (FALTERED, CLAIMED) and fact.step == step.number)
    if not marks:
        return True
    last = max(_moment(ledger.document(job.id, fact)["at"]) for fact in marks)
    tries = sum(fact.kind == FALTERED for fact in marks)
    return _waited(last, cloud.settings.patience_s * 2 ** max(tries - 1, 0), cloud)


def _waited(since: datetime, seconds: float, cloud: Cloud) -> bool:
    """Say whether some time has passed."""
    return cloud.clock.now() - since >= timedelta(seconds=seconds)


def _recent_manifests(cloud: Cloud) -> Iterator[ObjectRef]:
    """Name the manifests that came within the search window, but not only just now: their events may be on the way."""
    settings, now = cloud.settings, cloud.clock.now()
    for listed in cloud.objects.list(settings.bucket, settings.manifest_prefix):
        age = (now - listed.last_modified).total_seconds()
        if settings.patience_s <= age <= settings.search_window_s and not listed.key.endswith("/"):
            yield ObjectRef(settings.bucket, listed.key)


def _clear_orphans(ledger: Ledger, cloud: Cloud) -> None:
    """Remove what late tasks of closed jobs have left: in the work folder, and pointers that no notice will follow."""
    prefix = cloud.settings.state_prefix + WORK
    by_job: dict[str, list[ObjectRef]] = {}
    for listed in cloud.objects.list(cloud.settings.bucket, prefix):
        job_id = listed.key.removeprefix(prefix).partition("/")[0]
        if is_job_id(job_id):
            by_job.setdefault(job_id, []).append(ObjectRef(cloud.settings.bucket, listed.key))
    for job_id, refs in by_job.items():
        if ledger.load(job_id).closed:
            cloud.objects.delete(refs)
    for task, since in ledger.pointers():
        place = ledger.follow(task) if _waited(since, cloud.settings.deadline_s, cloud) else None
        if place and ledger.load(place[0]).closed:
            ledger.forget(task)
