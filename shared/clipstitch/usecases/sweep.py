"""Look after everything that waits too long: lost uploads, lost notices, dead functions, clips that come late.

A timer calls it; whatever it does is what submit and complete would have done. Its cost grows with open jobs and with
what is lost, not with history: jobs and manifests are compared by listings, a request for a thousand.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ManifestRef, ObjectRef, is_job_id, job_id_of
from clipstitch.common.logging import log_event
from clipstitch.common.ports import ListedObject
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.recover import Round, recover
from clipstitch.usecases.submit import submit


class Report(NamedTuple):
    """What a sweep did: ids of jobs looked at, manifests found, and jobs that could not be helped this time.

    `cut`: its time was over before it was through; the next one goes on from there.
    """

    looked_at: tuple[str, ...]
    found: tuple[str, ...]
    troubled: tuple[str, ...]
    cut: bool = False


class _Progress:
    """How far sweeps come, kept for the next one: where it was cut, and which jobs it did not come back from.

    `job`, an id, and `manifest`, a key, are where to go on; "" is the beginning. `late` jobs come last: what once
    outlasted a sweep must not keep others from their turn.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._kept = store.progress()
        self.job: str = self._kept.get("job", "")
        self.manifest: str = self._kept.get("manifest", "")
        self.late: list[str] = list(self._kept.get("late", ()))

    def begin(self, job_id: str) -> None:
        """Remember that work on a job begins from which we may not come back."""
        self.done(job_id)
        self.late.append(job_id)
        self.keep()

    def done(self, job_id: str) -> None:
        """Know that we came back; it is written down with whatever comes next."""
        self.late = [late for late in self.late if late != job_id]

    def keep(self) -> None:
        """Write down what has changed."""
        now = {"job": self.job, "manifest": self.manifest, "late": list(self.late)}
        if now != {"job": "", "manifest": "", "late": [], **self._kept}:
            self._kept = now
            self._store.keep_progress(now)


class _Turn(NamedTuple):
    """What one sweep works with; `until` when it stops beginning things."""

    store: JobStore
    cloud: Context
    progress: _Progress
    round: Round
    until: datetime

    def over(self) -> bool:
        """Say whether the time is over."""
        return self.cloud.clock.now() >= self.until


def sweep(cloud: Context) -> Report:
    """Bring every open job on, and find manifests whose event never came. No job's trouble stops the others."""
    store = cloud.store(cloud.settings.bucket)
    progress, half = _Progress(store), timedelta(seconds=cloud.settings.sweep_budget_s / 2)
    turn = _Turn(store, cloud, progress, Round(set(), progress.begin), cloud.clock.now() + half)
    open_jobs = store.open_jobs()
    late = [job_id for job_id in progress.late if job_id in open_jobs]
    progress.late = late
    tended = _tend_all([job_id for job_id in _behind(progress.job, open_jobs) if job_id not in late], turn)
    progress.job = (tended.looked_at or (progress.job,))[-1] if tended.cut else ""
    turn = turn._replace(until=turn.until + half)
    searched = _search(open_jobs, turn)
    _clear_orphans(open_jobs, store, cloud)
    last = _tend_all(late, turn)
    progress.keep()
    parts = (tended, searched, last)
    return Report(
        looked_at=tended.looked_at + last.looked_at,
        found=searched.found,
        troubled=tuple(name for part in parts for name in part.troubled),
        cut=any(part.cut for part in parts),
    )


def _behind(place: str, names: Sequence[str]) -> Iterator[str]:
    """Yield sorted names beginning behind a place, then those before it."""
    yield from (name for name in names if name > place)
    yield from (name for name in names if name <= place)


def _tend_all(jobs: list[str], turn: _Turn) -> Report:
    """Tend jobs, as long as there is time."""
    looked_at, troubled = list[str](), list[str]()
    for job_id in jobs:
        if turn.over():
            return Report(tuple(looked_at), (), tuple(troubled), cut=True)
        with _apart(troubled, job=job_id):
            recover(job_id, turn.store, turn.cloud, turn.round)
        turn.progress.done(job_id)
        looked_at.append(job_id)
    return Report(tuple(looked_at), (), tuple(troubled))


def _search(open_jobs: list[str], turn: _Turn) -> Report:
    """Submit manifests whose event never came; of very many, every sweep looks at some."""
    settings, progress = turn.cloud.settings, turn.progress
    listed = turn.cloud.objects.list(settings.bucket, settings.manifest_prefix, progress.manifest)
    looked_at = list(islice(listed, settings.search_keys))
    found, troubled = list[str](), list[str]()
    for job_id, manifest in _lost(looked_at, open_jobs, turn.store, turn.cloud):
        if turn.over():
            return Report((), tuple(found), tuple(troubled), cut=True)
        progress.manifest = manifest.key
        progress.begin(job_id)
        with _apart(troubled, manifest=manifest.uri):
            job = submit(manifest, turn.cloud)
            found += [job.id] if job else []
        progress.done(job_id)
    progress.manifest = looked_at[-1].key if len(looked_at) == settings.search_keys else ""
    return Report((), tuple(found), tuple(troubled))


def _lost(
    listed: list[ListedObject], open_jobs: list[str], store: JobStore, cloud: Context
) -> Iterator[tuple[str, ObjectRef]]:
    """Name the manifests that came within the search window and became no job, with the job that they would be.

    Not those of just now: their events may be on the way. A listing says enough to name a job.
    """
    settings, now = cloud.settings, cloud.clock.now()
    recent = [
        each
        for each in listed
        if settings.grace_period_s <= (now - each.last_modified).total_seconds() <= settings.search_window_s
        and not each.key.endswith("/")
    ]
    days = sorted({each.last_modified.strftime("%Y-%m-%d") for each in recent})
    known = {*open_jobs, *(job_id for day in days for job_id in store.jobs_of(day))}
    for each in recent:
        ref = ObjectRef(settings.bucket, each.key)
        job_id = job_id_of(ManifestRef(ref, each.etag), each.last_modified)
        if job_id not in known:
            yield job_id, ref


@contextmanager
def _apart(troubled: list[str], **name: str) -> Iterator[None]:
    """Keep what is wrong with one thing, even by our mistake, from stopping the others: say it, and note its name."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        log_event("sweep-trouble", **name, **_words(error))
        troubled += name.values()


def _words(error: Exception) -> dict[str, str]:
    """Say what is wrong, for the log."""
    if isinstance(error, ClipstitchError):
        return error.as_json()
    return {"code": type(error).__name__, "message": str(error)}


def _clear_orphans(open_jobs: list[str], store: JobStore, cloud: Context) -> None:
    """Remove what late tasks of closed jobs have left: in the work folder, and pointers that no notice will follow."""
    prefix = cloud.settings.state_prefix + WORK
    still_open, by_job = set(open_jobs), dict[str, list[ObjectRef]]()
    for listed in cloud.objects.list(cloud.settings.bucket, prefix):
        job_id = listed.key.removeprefix(prefix).partition("/")[0]
        if is_job_id(job_id) and job_id not in still_open:
            by_job.setdefault(job_id, []).append(ObjectRef(cloud.settings.bucket, listed.key))
    for job_id, refs in by_job.items():
        with _apart([], job=job_id):
            if store.load(job_id).closed:
                cloud.objects.delete(refs)
    long_ago = cloud.clock.now() - timedelta(seconds=cloud.settings.deadline_s)
    for task, since in store.pointers():
        with _apart([], task=task):
            place = store.follow(task) if since <= long_ago else None
            if place and store.load(place[0]).closed:
                store.forget(task)
