"""Webhooks are retried on schedule, and abandoned for the right reason."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from clipstitch.common.clock import parse_timestamp
from tests.simulation.invariants.history import History
from tests.simulation.receivers import BUSY_STATUS, GONE_STATUS, RETRY_AFTER_S, Attempt

# Standard Webhooks 1.0.0, "Deliverability and reliability": seconds before each attempt.
MAX_FUNCTION_S = 300  # the event is finished, and delivered first, by runs of at most this length
SCHEDULE_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


class _FailedAttempt(NamedTuple):
    """A fact about a failed attempt, and the simulated time at which it was recorded."""

    recorded_at: float
    number: int
    at: datetime
    due: datetime
    status: int


class _Deliveries(NamedTuple):
    """The deliveries of one job to one webhook, and the times at which the webhook was disabled for all jobs."""

    attempts: list[Attempt]
    failed: list[_FailedAttempt]
    disabled_at: list[float]


def check_webhooks(history: History) -> Iterator[str]:
    """Check that retries are made when they are due, and that deliveries are abandoned for the right reason."""
    for webhook, _ in history.world.setup.receivers:
        sink = webhook.lower()
        disabled_at = [change.time for change in history.written if change.ref.key.endswith(f"/sinks/{sink}.off")]
        for job in history.jobs:
            attempts = [each for each in history.world.webhooks.attempts if (each.webhook, each.job) == (webhook, job)]
            deliveries = _Deliveries(attempts, list(_failed_attempts(history, job, sink)), disabled_at)
            for violation in _check_deliveries(history, job, sink, deliveries):
                yield f"{webhook}: {job} {violation}"


def _failed_attempts(history: History, job: str, sink: str) -> Iterator[_FailedAttempt]:
    for change in history.written:
        if f"/{job}/pending.{sink}~" in change.ref.key:
            fact = json.loads(change.body or b"")
            at, due = parse_timestamp(fact["at"]), parse_timestamp(fact["next"])
            yield _FailedAttempt(change.time, fact["attempt"], at, due, fact["status"])


def _check_deliveries(history: History, job: str, sink: str, deliveries: _Deliveries) -> Iterator[str]:
    yield from _check_attempts(history, deliveries)
    for failed in deliveries.failed:
        yield from _check_due(failed)
    if sink in history.document(job, "decision").get("sinks", ()):
        yield from _check_end(history.document(job, f"delivered.{sink}"), deliveries)


def _check_attempts(history: History, deliveries: _Deliveries) -> Iterator[str]:
    """Check attempts against what the run could know: when the next is due, and whether the webhook is disabled."""
    for attempt in deliveries.attempts:
        run_started_at = history.world.runs[attempt.run].started_at
        known = [failed for failed in deliveries.failed if failed.recorded_at < run_started_at]
        last = max(known, key=lambda failed: (failed.number, failed.due)) if known else None
        if last and attempt.at < last.due:
            yield f"was delivered again before the retry after attempt {last.number} was due"
        if deliveries.disabled_at and deliveries.disabled_at[0] < run_started_at:
            yield "was delivered although the webhook was disabled"


def _check_due(failed: _FailedAttempt) -> Iterator[str]:
    """Compare when a retry is due with the schedule and with `Retry-After`."""
    if failed.number >= len(SCHEDULE_S):
        yield "is to be retried after the last attempt"
        return
    delay_s = (failed.due - failed.at).total_seconds()
    expected_s = max(SCHEDULE_S[failed.number], RETRY_AFTER_S if failed.status == BUSY_STATUS else 0)
    if abs(delay_s - expected_s) > 1:
        yield f"is retried {delay_s:.0f} s after attempt {failed.number}, expected {expected_s} s"


def _is_exhausted(recorded: dict[str, Any], deliveries: _Deliveries) -> bool:
    """Return True if all attempts were made, or if the first failed so long ago that all could have been made."""
    if {failed.number for failed in deliveries.failed} == set(range(1, len(SCHEDULE_S))):
        return True
    first = min((failed.at for failed in deliveries.failed), default=None)
    took_s = (parse_timestamp(recorded["at"]) - first).total_seconds() if first else 0
    return took_s >= sum(SCHEDULE_S) - 2 * MAX_FUNCTION_S


def _check_end(recorded: dict[str, Any], deliveries: _Deliveries) -> Iterator[str]:
    """Check that a delivery is abandoned only if the webhook is disabled, or after the last attempt."""
    attempts = deliveries.attempts
    accepted, code = any(attempt.accepted for attempt in attempts), recorded.get("error", {}).get("code")
    if code is None and not accepted:
        yield "is recorded as delivered, but was never accepted"
    if code == "SINK_OFF" and not deliveries.disabled_at:
        yield "was abandoned because the webhook is disabled, which it is not"
    if code not in (None, "SINK_OFF") and not _is_exhausted(recorded, deliveries):
        yield f"was abandoned ({code}) before the last attempt"
    if attempts and not accepted and attempts[-1].status == GONE_STATUS and code != "SINK_OFF":
        yield f"was answered 410, but the webhook was not disabled; the delivery ended with {code}"
