"""Recover everything that waits too long: lost uploads, lost completion notifications, crashed functions, late clips.

A timer calls the sweep; it does what submit and complete would have done. Its cost grows with open jobs and with what
is lost, not with history: jobs, manifests and working files are compared by listings, one request per thousand.

However much there is to do, every phase has its share of the time, looks at the time after each page or batch, and says
where the next sweep continues.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of, upload_stamp, uploaded_at
from clipstitch.common.logging import log_error, log_job
from clipstitch.common.ports import PAGE, ListedObject
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run
from clipstitch.usecases.job_store import TASKS, job_of_working_file
from clipstitch.usecases.recover import recover
from clipstitch.usecases.sink_monitor import SinkMonitor
from clipstitch.usecases.submit import submit
from clipstitch.usecases.sweep_progress import SkippableJobs, SweepProgress

# The share of the budget after which each phase begins no more work. What a phase leaves over, the next ones can use.
_RECOVER, _SEARCH, _ORPHANS, _RECOVER_MORE, _SLOW = 0.5, 0.75, 0.85, 0.95, 1.0
_BATCH = 64  # jobs that are recovered or submitted together; before each batch, the progress is saved
_JOBS, _MANIFESTS = "jobs", "manifests"  # the listings whose place is saved, besides WORK and TASKS
_CLOCK_TOLERANCE = timedelta(seconds=60)  # ours: between two instances, and between them and OSS
T = TypeVar("T")


class SweepReport(NamedTuple):
    """What a sweep did: jobs that were looked at, jobs of lost uploads, and ids or URIs of what failed.

    `interrupted` is True if its time was over before it was done; the next sweep continues from there.
    """

    looked_at: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    interrupted: bool = False


class _Sweep:
    """One sweep: the open jobs with the times at which they were opened, what is remembered, and what it has done."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.started_at = context.clock.now()
        self.open_jobs: Mapping[str, datetime] = context.store.open_jobs()
        self.progress = SweepProgress(context.store, self.open_jobs)
        self.skippable = SkippableJobs(context.store, self.open_jobs)
        self.run = Run(SinkMonitor())
        self.looked_at: list[str] = []
        self.found: list[str] = []
        self.failed: list[str] = []
        self.interrupted = False

    def is_over(self, share: float) -> bool:
        """Return True if a phase that ends after a share of the budget may begin no more work; the report says so."""
        until = self.started_at + timedelta(seconds=self.context.settings.sweep_budget_s * share)
        over = self.context.clock.now() >= until
        self.interrupted |= over
        return over


def sweep(context: Context) -> SweepReport:
    """Recover every open job, and submit manifests whose event was lost.

    An error in one job, or in one phase, does not stop the others. Raises the first error of a phase, at the end.
    """
    this = _Sweep(context)
    errors = list[Exception]()
    recover_more = partial(_recover_open_jobs, share=_RECOVER_MORE)
    for phase in (_recover_open_jobs, _submit_lost_uploads, _delete_orphans, recover_more, _recover_slow_jobs):
        try:
            phase(this)
        except Exception as error:  # noqa: BLE001 - re-raised below
            errors.append(error)
    this.skippable.save()
    this.progress.save()
    if errors:
        raise errors[0]
    return SweepReport(tuple(this.looked_at), tuple(this.found), tuple(this.failed), this.interrupted)


def _recover_open_jobs(this: _Sweep, share: float = _RECOVER) -> None:
    """Recover the jobs for which something may be to be done, in batches, from where the last sweep stopped."""
    progress, grace_period = this.progress, timedelta(seconds=this.context.settings.grace_period_s)
    place, others = progress.places.get(_JOBS, ""), {*progress.slow, *this.looked_at}
    since = {job: this.started_at - uploaded_at(job) for job in this.open_jobs}
    # New jobs come last: only a delivery or a late clip can be due there.
    in_order = sorted(since, key=lambda job: 2 if since[job] < grace_period else job <= place)
    to_recover = (job for job in in_order if job not in others and not _can_be_skipped(job, this))
    for batch in _batches(to_recover, _BATCH):
        if this.is_over(share):
            return
        progress.begin(batch)
        done = _for_each(batch, lambda job: _recover(job, this), this, share)
        progress.finish()
        progress.places[_JOBS] = place = batch[done - 1] if done else place
        if done < len(batch):
            return
    progress.places[_JOBS] = ""


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`, and read them only as far."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _can_be_skipped(job_id: str, this: _Sweep) -> bool:
    return this.skippable.can_be_skipped(job_id, this.context.clock.now(), this.run.sinks.unresponsive)


def _recover(job_id: str, this: _Sweep) -> None:
    with log_job(job_id), _continue_on_error(this.failed, job=job_id):
        job = recover(job_id, this.open_jobs[job_id], this.context, this.run)
        this.skippable.note(job, this.context.clock.now())
    this.looked_at.append(job_id)


def _for_each(items: Sequence[T], call: Callable[[T], None], this: _Sweep, share: float) -> int:
    """Call a function with each item, several at once, as long as there is time; return how many were begun."""

    def call_in_time(item: T) -> bool:
        if this.is_over(share):
            return False
        call(item)
        return True

    begun = this.context.workers.map(call_in_time, items)
    return begun.index(False) if False in begun else len(begun)


def _recover_slow_jobs(this: _Sweep) -> None:
    """Recover the jobs on which a sweep may have died, one at a time; the one that is begun is the next one's last."""
    progress = this.progress
    for job_id in list(progress.slow):
        if this.is_over(_SLOW):
            return
        progress.slow.remove(job_id)
        progress.begin([job_id])
        _recover(job_id, this)
        progress.finish()


def _submit_lost_uploads(this: _Sweep) -> None:
    """Submit manifests whose event was lost.

    A search goes through all manifests, over several sweeps if there are very many, and considers those that were
    uploaded since the search before it began, and are older than the grace period: their events may still arrive.
    """
    context, progress = this.context, this.progress
    settings, now = context.settings, context.clock.now()
    since = progress.search_from or now - timedelta(seconds=settings.search_window_s)
    until = progress.search_until or now - timedelta(seconds=settings.grace_period_s)
    known, known_until = _jobs_since(since, this)
    progress.search_until = until = min(until, known_until)
    place = progress.places.get(_MANIFESTS, "")
    listed = context.objects.list(settings.bucket, settings.manifest_prefix, place)
    for page in _batches(listed, PAGE):
        recent = [each for each in page if since <= each.last_modified <= until and not each.key.endswith("/")]
        lost = [upload for upload in (_Upload.of(each, context) for each in recent) if upload.job_id not in known]
        for start in range(0, len(lost), _BATCH):
            batch = lost[start : start + _BATCH]
            done = _submit_batch(batch, this)
            progress.places[_MANIFESTS] = place = batch[done - 1].ref.key if done else place
            if done < len(batch):
                return
        progress.places[_MANIFESTS] = place = page[-1].key
        if this.is_over(_SEARCH):
            return
    progress.places[_MANIFESTS] = ""
    progress.search_until = None
    if not progress.is_incomplete:
        progress.search_from = until - _CLOCK_TOLERANCE
    progress.is_incomplete = False


def _submit_batch(batch: Sequence["_Upload"], this: _Sweep) -> int:
    """Submit lost uploads, and return how many were begun.

    A sweep that dies on one of them is continued behind them, and the search is repeated from the beginning.
    """
    progress, was_incomplete = this.progress, this.progress.is_incomplete
    progress.places[_MANIFESTS], progress.is_incomplete = batch[-1].ref.key, True
    progress.begin([upload.job_id for upload in batch])
    without_job = list[str]()
    done = _for_each(batch, lambda upload: _submit(upload, without_job, this), this, _SEARCH)
    progress.finish()
    progress.is_incomplete = was_incomplete or bool(without_job)
    return done


class _Upload(NamedTuple):
    """A manifest in a listing, which has all that the id of its job needs."""

    ref: ObjectRef
    job_id: str

    @classmethod
    def of(cls, listed: ListedObject, context: Context) -> "_Upload":
        ref = ObjectRef(context.settings.bucket, listed.key)
        return cls(ref, job_id_of(ManifestRef(ref, listed.etag), listed.last_modified))


def _jobs_since(since: datetime, this: _Sweep) -> tuple[set[str], datetime]:
    """Return the jobs whose manifests were uploaded since a moment, and until when the answer is complete.

    After a long outage there can be more of them than a sweep has time to list.
    """
    known, now = set(this.open_jobs), this.context.clock.now()
    day, after = since.date(), upload_stamp(since)
    while day <= now.date():
        for page in _batches(this.context.store.jobs_of_day(day.isoformat(), after), PAGE):
            known.update(page)
            if this.is_over(_SEARCH):
                return known, uploaded_at(page[-1]) - timedelta(seconds=1)
        day, after = day + timedelta(days=1), ""
    return known, now


def _submit(upload: _Upload, without_job: list[str], this: _Sweep) -> None:
    """Submit a lost upload. Its job is opened first, by what the listing says of it.

    Whatever reading the manifest does to this sweep, the job then ends at its deadline at the latest. An upload whose
    job cannot be opened is added to `without_job`.
    """
    with log_job(upload.job_id):
        with _continue_on_error(without_job, manifest=upload.ref.uri):
            this.context.store.mark_open(upload.job_id, upload.ref)
        with _continue_on_error(this.failed, manifest=upload.ref.uri):
            job = submit(upload.ref, this.context)
            this.found += [job.id] if job else []


@contextmanager
def _continue_on_error(failed: list[str], **name: str) -> Iterator[None]:
    """Log an exception for one job or manifest, add its name to `failed`, and continue with the next."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - one job must not stop the others; the traceback is logged
        log_error("recovery-failed", error, **name)
        failed += name.values()


def _delete_orphans(this: _Sweep) -> None:
    """Delete what late tasks of closed jobs have left: step targets, and pointers that no notification will need.

    That is what no open job needs, once it is older than the deadline: a job that is not open now may be opened
    meanwhile, and what it makes is younger.
    """
    settings, progress = this.context.settings, this.progress
    oldest = this.started_at - timedelta(seconds=settings.deadline_s)
    for folder, bucket in ((WORK, settings.bucket), (TASKS, settings.state_bucket_name)):
        prefix, place = settings.state_prefix + folder, progress.places.get(folder, "")
        listed = this.context.objects.list(bucket, prefix, prefix + place if place else "")
        for page in _batches(listed, PAGE):
            old = [each.key.removeprefix(prefix) for each in page if each.last_modified <= oldest]
            orphans = [name for name in old if job_of_working_file(name) not in this.open_jobs]
            if orphans:
                this.context.objects.delete([ObjectRef(bucket, prefix + name) for name in orphans])
            progress.places[folder] = page[-1].key.removeprefix(prefix)
            if this.is_over(_ORPHANS):
                return
        progress.places[folder] = ""
