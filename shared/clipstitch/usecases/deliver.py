"""Tell a webhook, and write down what came of it: told, owed until a later attempt, or given up.

Whatever a receiver does, the job goes on: nothing of it is raised. Called by `advance`, which knows the other sinks.
"""

from typing import NamedTuple
from urllib.parse import urlsplit

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import ClipstitchError, SwitchedOff
from clipstitch.common.logging import say
from clipstitch.common.ports import Answer, Webhook
from clipstitch.jobs.job import OWED, TOLD, Fact, Job, attempt_of
from clipstitch.jobs.webhook_policy import next_attempt, verdict_on
from clipstitch.usecases.context import Cloud
from clipstitch.usecases.job_store import Ledger
from clipstitch.usecases.settings import Sink


class Delivery(NamedTuple):
    """An event owed to a webhook."""

    sink: Sink
    event_id: str
    text: str


def deliver(what: Delivery, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Post an event once; the job comes back knowing that its sink is told, or owed."""
    sink = what.sink.name
    if ledger.off(sink):
        return _give_up(sink, SwitchedOff(f"switched off, see {ledger.switch(sink).uri}"), job, ledger, cloud)
    answer, error = _post(what, _webhook(what.sink, cloud), cloud)
    if error is None:
        return ledger.add(job, Fact(TOLD, detail=sink), {"at": cloud.timestamp(), "status": answer.status})
    if isinstance(error, SwitchedOff):
        off = {"at": cloud.timestamp(), "job": job.id, "sink": sink, "message": str(error), "remedy": error.remedy}
        ledger.switch_off(sink, off)
        say("sink-switched-off", job=job.id, sink=sink, switch=ledger.switch(sink).uri)
    return _owe(sink, answer, error, job, ledger, cloud)


def _webhook(sink: Sink, cloud: Cloud) -> Webhook:
    """Return the receiver behind a sink; the settings are not read without it."""
    if (hook := cloud.settings.webhook(sink.target)) is None:
        raise ClipstitchError(f"webhook {sink.target} has no settings")
    return hook


def _post(what: Delivery, hook: Webhook, cloud: Cloud) -> tuple[Answer, ClipstitchError | None]:
    """Post, and say what was answered, and what is wrong with that; status 0 stands for no answer."""
    if cloud.hooks is None:
        raise ClipstitchError("nobody is there to post webhooks")
    try:
        answer = cloud.hooks.post(hook, what.event_id, what.text, cloud.clock.now())
    except ClipstitchError as error:
        return Answer(0), error
    return answer, verdict_on(answer, urlsplit(hook.url).hostname or "")


def _owe(sink: str, answer: Answer, error: ClipstitchError, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Remember that an attempt failed, and when the next one is due; give up after the last."""
    before = job.owed.get(sink)
    attempt = attempt_of(before) + 1 if before else 1
    now = cloud.clock.now()
    again = next_attempt(attempt, now, answer.retry_after) if error.retryable else None
    if again is None:
        return _give_up(sink, error, job, ledger, cloud)
    say("sink-owed", job=job.id, sink=sink, attempt=attempt, next=timestamp(again), **error.as_json())
    owed = {"at": timestamp(now), "attempt": attempt, "next": timestamp(again), "status": answer.status}
    return ledger.add(job, Fact(OWED, detail=f"{sink}~{attempt}"), {**owed, "error": error.as_json()})


def _give_up(sink: str, error: ClipstitchError, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Let the job go on without this sink, as with every sink that refuses for good."""
    say("sink-refused", job=job.id, sink=sink, **error.as_json())
    return ledger.add(job, Fact(TOLD, detail=sink), {"at": cloud.timestamp(), "error": error.as_json()})
