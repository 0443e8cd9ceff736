"""Deliver the completion event to the sinks, and record the outcomes: delivered, pending (retried later) or given up.

Every sink has its own schedule, and no sink waits for another: whatever one of them does, the others are delivered to.
Repeating a delivery is allowed: neither the id nor the content of the event changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import AlreadyExists, ClipstitchError, SinkSwitchedOff, SinkUnresponsive, error_json
from clipstitch.common.exhaustive import assert_never
from clipstitch.common.identifiers import is_newer
from clipstitch.common.logging import log_error, log_event
from clipstitch.common.ports import ObjectHeaders, find_object
from clipstitch.jobs.completion_event import encode, event_id, fit_to_message, make_event
from clipstitch.jobs.decide import JOB_META
from clipstitch.jobs.delivery_policy import next_attempt
from clipstitch.jobs.job import DELIVERED, RESULT_SINK, Decision, Fact, Job, PendingDelivery
from clipstitch.jobs.webhook_policy import response_error, retry_after_s
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Sink
from clipstitch.usecases.sink_monitor import SinkMonitor


class _Response(NamedTuple):
    """What a sink responded: its error if it did not accept the event; for webhooks also status and `Retry-After`."""

    error: Exception | None = None
    details: Mapping[str, Any] = {}
    retry_after: str = ""


class _Outcome(NamedTuple):
    """The fact that records how a delivery ended, and its document; `accepted` if the sink has the event."""

    fact: Fact
    document: Mapping[str, Any]
    accepted: bool


def deliver(sinks: Sequence[str], job: Job, context: Context, monitor: SinkMonitor) -> Job:
    """Deliver the event once to each of some sinks, at the same time; return the job with the outcomes.

    Errors of a sink are recorded, never raised. Outcomes are not written if the job has nothing left to deliver: the
    fact that closes it says the same.
    """
    outcomes = context.workers.map(lambda sink: _attempt(sink, job, context, monitor), sinks)
    if set(sinks) == set(job.undelivered) and all(outcome.accepted for outcome in outcomes):
        now = context.clock.now()
        return job.with_facts({outcome.fact: now for outcome in outcomes})
    return _record(outcomes, job, context)


def abandon(sink: str, job: Job, context: Context) -> Job:
    """Record that a sink did not respond for three days, so that the job can be closed."""
    error = SinkUnresponsive(f"{sink} did not accept the event in three days, and fails for other jobs too")
    return _record([_given_up(sink, error, job)], job, context)


def _record(outcomes: Sequence[_Outcome], job: Job, context: Context) -> Job:
    jobs = context.workers.map(lambda outcome: context.store.add(job, outcome.fact, outcome.document), outcomes)
    return job.with_facts(*(each.facts for each in jobs))


def _attempt(sink: str, job: Job, context: Context, monitor: SinkMonitor) -> _Outcome:
    """Deliver the event to a sink once, and return the outcome."""
    configured, started_at = context.settings.sink(sink), context.clock.now()
    try:
        response = _send(sink, configured, job, context)
    except Exception as error:  # noqa: BLE001 - an error of one sink must not stop the others; it is recorded
        response = _Response(error)
    took_s = (context.clock.now() - started_at).total_seconds()
    monitor.record(sink, took_s, accepted=response.error is None)
    if response.error is None:
        return _Outcome(Fact(DELIVERED, detail=sink), response.details, accepted=True)
    is_webhook = configured is not None and configured.kind == "webhook"
    return _failed(sink, response, response.error, job, context, webhook=is_webhook)


def _failed(sink: str, response: _Response, error: Exception, job: Job, context: Context, *, webhook: bool) -> _Outcome:
    """Return that a delivery failed and when the next attempt is due; that it is given up after the last attempt."""
    before, now = job.pending.get(sink), context.clock.now()
    attempt, asked_s = before.attempt + 1 if before else 1, retry_after_s(response.retry_after, now)
    due = next_attempt(attempt, now, job.finished_at or now, webhook=webhook, asked_s=asked_s)
    # What else is refused while a webhook is posted was refused by the state bucket, which its receiver cannot help.
    refused = SinkSwitchedOff if webhook else ClipstitchError
    if due is None or (isinstance(error, refused) and not error.retryable):
        return _given_up(sink, error, job)
    details = {"attempt": attempt, "next": timestamp(due)}
    if isinstance(error, ClipstitchError):
        log_event("delivery-failed", "WARNING", job=job.id, sink=sink, **details, **error.as_json())
    else:
        log_error("delivery-failed", error, job=job.id, sink=sink, **details)
    status = {"status": 0} if webhook else {}  # no response
    document = {"at": timestamp(now), **details, **status, **response.details, "error": error_json(error)}
    return _Outcome(PendingDelivery(sink, attempt, due).fact, document, accepted=False)


def _given_up(sink: str, error: Exception, job: Job) -> _Outcome:
    """Return that nothing more is sent to a sink, so that the job can be closed."""
    log_event("sink-given-up", "ERROR", job=job.id, sink=sink, **error_json(error))
    return _Outcome(Fact(DELIVERED, detail=sink), {"error": error_json(error)}, accepted=False)


def _send(sink: str, configured: Sink | None, job: Job, context: Context) -> _Response:
    """Send the event to a sink, and return the response."""
    if sink == RESULT_SINK:
        _write_result(job, context)
        return _Response()
    if configured is None:
        log_event("sink-gone", "ERROR", job=job.id, sink=sink)
        return _Response()
    match configured.kind:
        case "topic":
            context.messages.publish(configured.target, _message(job, context))
        case "queue":
            context.messages.send(configured.target, _message(job, context))
        case "webhook":
            return _post(configured, job, context)
        case _:
            assert_never(configured.kind)
    return _Response()


def _decision_of(job: Job) -> Decision:
    assert job.decision is not None, f"job {job.id} has no decision"
    return job.decision


def _message(job: Job, context: Context) -> str:
    """Return the event of a job in the size of a message."""
    return encode(fit_to_message(make_event(job), context.settings.result_of(_decision_of(job))))


def _write_result(job: Job, context: Context) -> None:
    """Write the result object, unless a newer job of the manifest has written it."""
    ref = context.settings.result_of(_decision_of(job))
    body, headers = encode(make_event(job)).encode(), ObjectHeaders("application/json", {JOB_META: job.id})
    try:
        context.objects.write(ref, body, headers, once=True)
    except AlreadyExists:
        existing = find_object(context.objects, ref)
        if existing is None or not is_newer(existing.meta.get(JOB_META, ""), than=job.id):
            context.objects.write(ref, body, headers)


def _post(sink: Sink, job: Job, context: Context) -> _Response:
    """Post the event once. A sink that answers 410 Gone is disabled for all jobs."""
    store, webhook = context.store, context.settings.webhook(sink.target)
    if store.is_sink_disabled(sink.name):
        raise SinkSwitchedOff(f"disabled, see {store.disabled_sink_ref(sink.name).uri}")
    response = context.webhooks.post(webhook, event_id(job), _message(job, context), context.clock.now())
    error = response_error(response, urlsplit(webhook.url).hostname or "")
    if isinstance(error, SinkSwitchedOff):
        document = {"at": context.timestamp(), "job": job.id, "sink": sink.name, **error.as_json()}
        store.disable_sink(sink.name, document)
        log_event("sink-switched-off", "ERROR", job=job.id, sink=sink.name, ref=store.disabled_sink_ref(sink.name).uri)
    return _Response(error, {"status": response.status}, response.retry_after)
