"""Tell a webhook, and write down what came of it: told, owed until a later attempt, or given up.

Whatever a receiver does, the job goes on: nothing of it is raised. Called by `advance`, which knows the other sinks.
"""

from typing import NamedTuple
from urllib.parse import urlsplit

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import ClipstitchError, SinkSwitchedOff
from clipstitch.common.logging import log_event
from clipstitch.common.ports import Webhook, WebhookResponse
from clipstitch.jobs.job import DELIVERED, PENDING, Fact, Job, attempt_of
from clipstitch.jobs.webhook_policy import next_attempt, response_error
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.settings import Sink


class Delivery(NamedTuple):
    """An event owed to a webhook."""

    sink: Sink
    event_id: str
    text: str


def deliver(what: Delivery, job: Job, store: JobStore, cloud: Context) -> Job:
    """Post an event once; the job comes back knowing that its sink is told, or owed."""
    sink = what.sink.name
    if store.off(sink):
        return _give_up(sink, SinkSwitchedOff(f"switched off, see {store.switch(sink).uri}"), job, store, cloud)
    answer, error = _post(what, _webhook(what.sink, cloud), cloud)
    if error is None:
        return store.add(job, Fact(DELIVERED, detail=sink), {"at": cloud.timestamp(), "status": answer.status})
    if isinstance(error, SinkSwitchedOff):
        off = {"at": cloud.timestamp(), "job": job.id, "sink": sink, "message": str(error), "remedy": error.remedy}
        store.switch_off(sink, off)
        log_event("sink-switched-off", job=job.id, sink=sink, switch=store.switch(sink).uri)
    return _owe(sink, answer, error, job, store, cloud)


def _webhook(sink: Sink, cloud: Context) -> Webhook:
    """Return the receiver behind a sink; the settings are not read without it."""
    if (hook := cloud.settings.webhook(sink.target)) is None:
        raise ClipstitchError(f"webhook {sink.target} has no settings")
    return hook


def _post(what: Delivery, hook: Webhook, cloud: Context) -> tuple[WebhookResponse, ClipstitchError | None]:
    """Post, and say what was answered, and what is wrong with that; status 0 stands for no answer."""
    if cloud.hooks is None:
        raise ClipstitchError("nobody is there to post webhooks")
    try:
        answer = cloud.hooks.post(hook, what.event_id, what.text, cloud.clock.now())
    except ClipstitchError as error:
        return WebhookResponse(0), error
    return answer, response_error(answer, urlsplit(hook.url).hostname or "")


def _owe(sink: str, answer: WebhookResponse, error: ClipstitchError, job: Job, store: JobStore, cloud: Context) -> Job:
    """Remember that an attempt failed, and when the next one is due; give up after the last."""
    before = job.pending.get(sink)
    attempt = attempt_of(before) + 1 if before else 1
    now = cloud.clock.now()
    again = next_attempt(attempt, now, answer.retry_after) if error.retryable else None
    if again is None:
        return _give_up(sink, error, job, store, cloud)
    log_event("sink-owed", job=job.id, sink=sink, attempt=attempt, next=timestamp(again), **error.as_json())
    pending = {"at": timestamp(now), "attempt": attempt, "next": timestamp(again), "status": answer.status}
    return store.add(job, Fact(PENDING, detail=f"{sink}~{attempt}"), {**pending, "error": error.as_json()})


def _give_up(sink: str, error: ClipstitchError, job: Job, store: JobStore, cloud: Context) -> Job:
    """Let the job go on without this sink, as with every sink that refuses for good."""
    log_event("sink-refused", job=job.id, sink=sink, **error.as_json())
    return store.add(job, Fact(DELIVERED, detail=sink), {"at": cloud.timestamp(), "error": error.as_json()})
