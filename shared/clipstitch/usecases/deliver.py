"""Deliver the completion event to a sink, and record the outcome: delivered, pending (retried later) or abandoned.

Repeating a delivery is allowed: neither the id nor the content of the event changes.
"""

from urllib.parse import urlsplit

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import AlreadyExists, ClipstitchError, SinkSwitchedOff, WebhookNoResponse
from clipstitch.common.exhaustive import assert_never
from clipstitch.common.identifiers import is_newer
from clipstitch.common.logging import log_event
from clipstitch.common.ports import ObjectHeaders, WebhookResponse
from clipstitch.jobs.completion_event import encode, event_id, fit_to_message, make_event
from clipstitch.jobs.decide import JOB_META
from clipstitch.jobs.job import DELIVERED, RESULT_SINK, Decision, Fact, Job, PendingDelivery
from clipstitch.jobs.webhook_policy import next_attempt, response_error
from clipstitch.usecases.context import Context
from clipstitch.usecases.publish import describe
from clipstitch.usecases.settings import Sink


def deliver(sink: str, job: Job, context: Context, unresponsive: set[str]) -> Job:
    """Deliver the event to one sink once; return the job with the outcome.

    Raises retryable errors of topics, queues and the result object. Errors of webhooks are never raised; a webhook that
    did not answer is added to `unresponsive`.
    """
    configured = context.settings.sink(sink)
    if configured and configured.kind == "webhook":
        return _deliver_to_webhook(configured, job, context, unresponsive)
    try:
        _send(sink, configured, job, context)
    except ClipstitchError as error:
        if error.retryable:
            raise
        return _abandon(sink, error, job, context)
    return context.store.add(job, Fact(DELIVERED, detail=sink))


def _send(sink: str, configured: Sink | None, job: Job, context: Context) -> None:
    """Send the event to a sink other than a webhook."""
    if sink == RESULT_SINK:
        _write_result(job, context)
        return
    if configured is None:
        log_event("sink-gone", "ERROR", job=job.id, sink=sink)
        return
    match configured.kind:
        case "topic":
            context.messages.publish(configured.target, _message(job, context))
        case "queue":
            context.messages.send(configured.target, _message(job, context))
        case "webhook":
            raise AssertionError("webhooks are delivered elsewhere")
        case _:
            assert_never(configured.kind)


def _decision_of(job: Job) -> Decision:
    assert job.decision is not None, f"job {job.id} has no decision"
    return job.decision


def _message(job: Job, context: Context) -> str:
    """Return the event of a job in the size of a message."""
    return encode(fit_to_message(make_event(job), context.settings.result_ref(_decision_of(job).manifest.ref)))


def _write_result(job: Job, context: Context) -> None:
    """Write the result object, unless a newer job of the manifest has written it."""
    ref = context.settings.result_ref(_decision_of(job).manifest.ref)
    body, headers = encode(make_event(job)).encode(), ObjectHeaders("application/json", {JOB_META: job.id})
    try:
        context.objects.write(ref, body, headers, once=True)
    except AlreadyExists:
        existing = describe(ref, context)
        if existing is None or not is_newer(existing.meta.get(JOB_META, ""), than=job.id):
            context.objects.write(ref, body, headers)


def _deliver_to_webhook(sink: Sink, job: Job, context: Context, unresponsive: set[str]) -> Job:
    """Post the event once. A sink that answers 410 Gone is disabled for all jobs."""
    store = context.store
    if store.is_sink_disabled(sink.name):
        disabled = SinkSwitchedOff(f"disabled, see {store.disabled_sink_ref(sink.name).uri}")
        return _abandon(sink.name, disabled, job, context)
    response, error = _post(sink, job, context)
    if error is None:
        return store.add(job, Fact(DELIVERED, detail=sink.name), {"status": response.status})
    if isinstance(error, WebhookNoResponse):
        unresponsive.add(sink.name)
    if isinstance(error, SinkSwitchedOff):
        document = {"at": context.timestamp(), "job": job.id, "sink": sink.name, **error.as_json()}
        store.disable_sink(sink.name, document)
        log_event("sink-switched-off", "ERROR", job=job.id, sink=sink.name, ref=store.disabled_sink_ref(sink.name).uri)
    return _retry_later(sink.name, response, error, job, context)


def _post(sink: Sink, job: Job, context: Context) -> tuple[WebhookResponse, ClipstitchError | None]:
    """Return the response, with status 0 if there is none, and the error that it means."""
    webhook = context.settings.webhook(sink.target)
    try:
        response = context.webhooks.post(webhook, event_id(job), _message(job, context), context.clock.now())
    except ClipstitchError as error:
        return WebhookResponse(0), error
    return response, response_error(response, urlsplit(webhook.url).hostname or "")


def _retry_later(sink: str, response: WebhookResponse, error: ClipstitchError, job: Job, context: Context) -> Job:
    """Record the failed attempt and when the next one is due; after the last attempt, abandon the sink."""
    before, now = job.pending.get(sink), context.clock.now()
    attempt = before.attempt + 1 if before else 1
    due = next_attempt(attempt, now, response.retry_after) if error.retryable else None
    if due is None:
        return _abandon(sink, error, job, context)
    details = {"attempt": attempt, "next": timestamp(due)}
    log_event("delivery-failed", "WARNING", job=job.id, sink=sink, **details, **error.as_json())
    document = {**details, "status": response.status, "error": error.as_json()}
    return context.store.add(job, PendingDelivery(sink, attempt, due).fact, document)


def _abandon(sink: str, error: ClipstitchError, job: Job, context: Context) -> Job:
    """Record that nothing more is sent to a sink, so that the job can be closed."""
    log_event("sink-refused", "ERROR", job=job.id, sink=sink, **error.as_json())
    return context.store.add(job, Fact(DELIVERED, detail=sink), {"error": error.as_json()})
