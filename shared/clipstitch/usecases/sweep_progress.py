"""What sweeps remember for the next one: where to continue, which jobs to recover last, and which to leave alone.

All of it only saves work: without it, or if it cannot be read, a sweep begins at the beginning.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from clipstitch.common.clock import parse_timestamp, timestamp
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import uploaded_at
from clipstitch.common.logging import log_error
from clipstitch.jobs.decide import deliveries_due
from clipstitch.jobs.delivery_policy import GIVE_UP_S
from clipstitch.jobs.job import Job
from clipstitch.usecases.job_store import JobStore

_PROGRESS, _SKIPPABLE = "sweep.json", "skippable.json"


class SweepProgress:
    """The progress of sweeps.

    `places` has the last name that was looked at, by listing; a listing that is not in it starts at its beginning.
    `slow` are the open jobs on which a sweep may have died: they are recovered last, one at a time, so that none of
    them starves the others. `search_from` and `search_until` bound the uploads that the search looks for; None before
    the first search, and between two searches. `is_incomplete`: the search may have passed an upload without a job.
    """

    def __init__(self, store: JobStore, open_jobs: Collection[str]) -> None:
        self._store = store
        self._saved = saved = store.sweep_document(_PROGRESS)
        began = _strings(saved.get("began"))
        self.places = {str(name): str(place) for name, place in _mapping(saved.get("places")).items()}
        self.slow = [job for job in dict.fromkeys([*_strings(saved.get("slow")), *began]) if job in open_jobs]
        self.search_from = _moment(saved.get("search_from"))
        self.search_until = _moment(saved.get("search_until"))
        self.is_incomplete = saved.get("is_incomplete") is True
        self._began: list[str] = []

    def begin(self, jobs: Sequence[str]) -> None:
        """Save that work on some jobs begins, which the function may not survive."""
        self._began = list(jobs)
        self.save()

    def finish(self) -> None:
        """Note that the work on these jobs is over; this is saved with the next change."""
        self._began = []

    def save(self) -> None:
        """Save what has changed. An error is logged: what cannot be saved is done again."""
        now = {
            "places": {name: place for name, place in self.places.items() if place},
            "slow": self.slow,
            "began": self._began,
            "search_from": timestamp(self.search_from) if self.search_from else None,
            "search_until": timestamp(self.search_until) if self.search_until else None,
            "is_incomplete": self.is_incomplete,
        }
        if now != {name: self._saved.get(name) for name in now}:
            _save(_PROGRESS, now, self._store)
            self._saved = {**now, "slow": list(self.slow)}


class SkippableJobs:
    """Jobs that wait for nothing but deliveries: by id, when the first one is due ("" if it is now), and the sinks.

    A sweep leaves them alone without a request while no delivery is due, or while it delivers nothing to their sinks.
    """

    def __init__(self, store: JobStore, open_jobs: Collection[str]) -> None:
        self._store = store
        self._saved = _mapping(store.sweep_document(_SKIPPABLE).get("jobs"))
        self._jobs = {job: entry for job, entry in self._saved.items() if job in open_jobs and _is_entry(entry)}

    def can_be_skipped(self, job_id: str, now: datetime, unresponsive: Collection[str]) -> bool:
        """Return True if a sweep can do nothing for a job; `unresponsive` are the sinks that it does not deliver to."""
        if job_id not in self._jobs:
            return False
        due, *sinks = self._jobs[job_id]
        if due > timestamp(now):
            return True
        may_be_given_up = now - uploaded_at(job_id) >= timedelta(seconds=GIVE_UP_S)
        return not may_be_given_up and set(sinks) <= set(unresponsive)

    def note(self, job: Job, now: datetime) -> None:
        """Note what a job waits for."""
        self._jobs.pop(job.id, None)
        if job.final and not job.closed and job.undelivered:
            due = deliveries_due(job, now)
            self._jobs[job.id] = [timestamp(due) if due else "", *job.undelivered]

    def save(self) -> None:
        """Save what has changed."""
        if self._jobs != self._saved:
            _save(_SKIPPABLE, {"jobs": self._jobs}, self._store)


def _save(name: str, document: Mapping[str, Any], store: JobStore) -> None:
    try:
        store.save_sweep_document(name, document)
    except ClipstitchError as error:
        log_error("sweep-progress-not-saved", error)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _is_entry(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(each, str) for each in value)


def _moment(value: Any) -> datetime | None:
    """Return the moment of a saved timestamp; None if there is none, or it is damaged."""
    try:
        return parse_timestamp(value)
    except (ValueError, TypeError, AttributeError):
        return None
