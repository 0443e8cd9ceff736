"""Recover everything that waits too long: lost uploads, lost completion notifications, crashed functions, late clips.

A timer calls the sweep; it does what submit and complete would have done. Its cost grows with open jobs and with what
is lost, not with history: jobs and manifests are compared by listings, one request per thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from clipstitch.common.identifiers import ManifestRef, ObjectRef, is_job_id, job_id_of
from clipstitch.common.logging import log_error, log_job
from clipstitch.common.ports import ListedObject
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.recover import recover
from clipstitch.usecases.submit import submit


class SweepReport(NamedTuple):
    """What a sweep did: jobs that were looked at, jobs of lost uploads, and ids or URIs of what failed.

    `interrupted` is True if its time was over before it was done; the next sweep continues from there.
    """

    looked_at: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    interrupted: bool = False


class _Progress:
    """The progress of sweeps, saved for the next one.

    `job`, an id, and `manifest`, a key, are where to continue; "" is the beginning. `slow` jobs are recovered last, so
    that a job that once outlasted a sweep does not starve the others.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._saved = store.sweep_progress()
        self.job: str = self._saved.get("job", "")
        self.manifest: str = self._saved.get("manifest", "")
        self.slow: list[str] = list(self._saved.get("slow", ()))

    def begin(self, job_id: str) -> None:
        """Save that work on a job begins, which the function may not survive."""
        self.finish(job_id)
        self.slow.append(job_id)
        self.save()

    def finish(self, job_id: str) -> None:
        """Note that the work on a job is over; this is saved with the next change."""
        self.slow = [slow for slow in self.slow if slow != job_id]

    def save(self) -> None:
        """Save what has changed."""
        now = {"job": self.job, "manifest": self.manifest, "slow": list(self.slow)}
        if now != {"job": "", "manifest": "", "slow": [], **self._saved}:
            self._saved = now
            self._store.save_sweep_progress(now)


class _Sweep(NamedTuple):
    """One sweep: the open jobs with the time at which they were opened, and `until` when new work may begin."""

    context: Context
    open_jobs: Mapping[str, datetime]
    progress: _Progress
    run: Run
    until: datetime

    @property
    def over(self) -> bool:
        return self.context.clock.now() >= self.until


def sweep(context: Context) -> SweepReport:
    """Recover every open job, and submit manifests whose event was lost. An error in one job does not stop the rest."""
    store, half = context.store, timedelta(seconds=context.settings.sweep_budget_s / 2)
    progress = _Progress(store)
    run = Run(set(), before_long_action=progress.begin)
    this = _Sweep(context, store.open_jobs(), progress, run, context.clock.now() + half)
    progress.slow = slow = [job_id for job_id in progress.slow if job_id in this.open_jobs]
    recovered = _recover_all(
        [job_id for job_id in _from(progress.job, list(this.open_jobs)) if job_id not in slow], this
    )
    progress.job = (recovered.looked_at or (progress.job,))[-1] if recovered.interrupted else ""
    this = this._replace(until=this.until + half)
    searched = _submit_lost_uploads(this)
    _delete_orphans(this)
    last = _recover_all(slow, this)
    progress.save()
    interrupted = recovered.interrupted or searched.interrupted or last.interrupted
    failed = recovered.failed + searched.failed + last.failed
    return SweepReport(recovered.looked_at + last.looked_at, searched.found, failed, interrupted)


def _from(place: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the sorted names after a place, then those before it."""
    yield from (name for name in names if name > place)
    yield from (name for name in names if name <= place)


def _recover_all(jobs: list[str], this: _Sweep) -> SweepReport:
    """Recover jobs, as long as there is time."""
    looked_at, failed = list[str](), list[str]()
    for job_id in jobs:
        if this.over:
            return SweepReport(tuple(looked_at), failed=tuple(failed), interrupted=True)
        with log_job(job_id), _continue_on_error(failed, job=job_id):
            recover(job_id, this.open_jobs[job_id], this.context, this.run)
        this.progress.finish(job_id)
        looked_at.append(job_id)
    return SweepReport(tuple(looked_at), failed=tuple(failed))


def _submit_lost_uploads(this: _Sweep) -> SweepReport:
    """Submit manifests whose event was lost. If there are very many manifests, every sweep looks at some of them."""
    settings, progress = this.context.settings, this.progress
    listed = this.context.objects.list(settings.bucket, settings.manifest_prefix, progress.manifest)
    page = list(islice(listed, settings.search_keys))
    found, failed = list[str](), list[str]()
    for job_id, manifest in _lost(page, this):
        if this.over:
            return SweepReport(found=tuple(found), failed=tuple(failed), interrupted=True)
        progress.manifest = manifest.key
        progress.begin(job_id)
        with log_job(job_id), _continue_on_error(failed, manifest=manifest.uri):
            job = submit(manifest, this.context)
            found += [job.id] if job else []
        progress.finish(job_id)
    progress.manifest = page[-1].key if len(page) == settings.search_keys else ""
    return SweepReport(found=tuple(found), failed=tuple(failed))


def _lost(page: list[ListedObject], this: _Sweep) -> Iterator[tuple[str, ObjectRef]]:
    """Yield the manifests of the search window that have no job, with the id of the job that they would have.

    Manifests within the grace period are left out: their events may still arrive. A listing has all that an id needs.
    """
    settings, now = this.context.settings, this.context.clock.now()
    recent = [
        listed
        for listed in page
        if settings.grace_period_s <= (now - listed.last_modified).total_seconds() <= settings.search_window_s
        and not listed.key.endswith("/")
    ]
    days = sorted({listed.last_modified.strftime("%Y-%m-%d") for listed in recent})
    known = {*this.open_jobs, *(job_id for day in days for job_id in this.context.store.jobs_of_day(day))}
    for listed in recent:
        ref = ObjectRef(settings.bucket, listed.key)
        job_id = job_id_of(ManifestRef(ref, listed.etag), listed.last_modified)
        if job_id not in known:
            yield job_id, ref


@contextmanager
def _continue_on_error(failed: list[str], **name: str) -> Iterator[None]:
    """Log an exception for one job or manifest, add its name to `failed`, and continue with the next."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - one job must not stop the others; the traceback is logged
        log_error("recovery-failed", error, **name)
        failed += name.values()


def _delete_orphans(this: _Sweep) -> None:
    """Delete what late tasks of closed jobs have left: step targets, and pointers that no notification will need."""
    context, store = this.context, this.context.store
    prefix, by_job = context.settings.state_prefix + WORK, dict[str, list[ObjectRef]]()
    for listed in context.objects.list(context.settings.bucket, prefix):
        job_id = listed.key.removeprefix(prefix).partition("/")[0]
        if is_job_id(job_id) and job_id not in this.open_jobs:
            by_job.setdefault(job_id, []).append(ObjectRef(context.settings.bucket, listed.key))
    for job_id, refs in by_job.items():
        with _continue_on_error([], job=job_id):
            if store.load(job_id).closed:
                context.objects.delete(refs)
    oldest = context.clock.now() - timedelta(seconds=context.settings.deadline_s)
    for task, since in store.task_pointers():
        with _continue_on_error([], task=task):
            place = store.step_of_task(task) if since <= oldest else None
            if place and store.load(place[0]).closed:
                store.delete_task_pointer(task)
