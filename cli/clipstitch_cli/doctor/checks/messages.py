"""Judges topics, queues, the dead letters among them, and receivers that are switched off. Facts in, findings out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from clipstitch.common.errors import ClipstitchError
from clipstitch.usecases.settings import Settings, Sink
from clipstitch_cli.doctor.deployment_facts import Queue
from clipstitch_cli.doctor.findings import Finding, age, bad, ok, skipped, unanswered, warning

Heard = bool | Queue | ClipstitchError | None


def topic(there: bool | ClipstitchError, settings: Settings) -> Finding:
    """Judge the topic on which IMM says that tasks have ended."""
    name = settings.completion_topic
    if isinstance(there, ClipstitchError):
        return unanswered("topic", there)
    if not there:
        return bad(
            "topic", f"there is no topic {name}, so no notice of a task arrives", _create("topic", name, settings)
        )
    return ok("topic", f"completion topic {name} is there")


def sinks(found: Mapping[Sink, Heard], settings: Settings) -> Iterator[Finding]:
    """Judge the topics and queues that events go to; webhooks are not called."""
    troubles = [trouble for sink, heard in found.items() if (trouble := _trouble(sink, heard, settings))]
    yield from troubles
    if not troubles:
        named = ", ".join(f"{sink.name} ({sink.kind} {sink.target})" for sink in found)
        hooks = sum(sink.kind == "webhook" for sink in settings.sinks)
        yield ok("sinks", f"{named or 'no topics or queues'}{f'; {hooks} webhooks are not called' if hooks else ''}")


def _trouble(sink: Sink, heard: Heard, settings: Settings) -> Finding | None:
    """Say what is wrong with a sink."""
    if isinstance(heard, ClipstitchError):
        return unanswered("sinks", heard)
    if heard:
        return None
    line = f"sink {sink.name}: there is no {sink.kind} {sink.target}"
    return bad("sinks", line, _create(sink.kind, sink.target, settings))


def _create(kind: str, name: str, settings: Settings) -> str:
    """Spell how a topic or queue is made; the stack does not make again what somebody deleted."""
    what = kind.capitalize()
    return f"aliyun mns-open Create{what} --region {settings.oss_region} --{what}Name {name}"


def dead_letters(name: str, queue: Queue | ClipstitchError | None, settings: Settings, now: datetime) -> Finding:
    """Judge what Function Compute has given up on."""
    if isinstance(queue, ClipstitchError):
        return unanswered("dead letters", queue)
    if queue is None:
        line = f"there is no queue {name}, so what Function Compute gives up on is lost"
        return bad("dead letters", line, _create("queue", name, settings))
    if queue.letters:
        since = f", one of them for {age(now - queue.since)}" if queue.since else ""
        letters = "1 dead letter waits" if queue.letters == 1 else f"{queue.letters} dead letters wait"
        return bad("dead letters", f"{letters} in queue {name}{since}", "clipstitch retry --dead-letters")
    return ok("dead letters", f"queue {name} is empty")


def switched_off(objects: Sequence[str] | ClipstitchError) -> Iterator[Finding]:
    """Judge the sinks whose receiver has answered 410 Gone."""
    if isinstance(objects, ClipstitchError):
        yield unanswered("webhooks", objects)
        return
    for uri in objects:
        sink = uri.rpartition("/")[2].removesuffix(".off")
        yield warning("webhooks", f"{sink} is switched off: its receiver answered 410 Gone", f"ossutil rm {uri}")
    if not objects:
        yield ok("webhooks", "none is switched off")


def unnamed_letters(why: str) -> Finding:
    """Say that nobody names the queue of dead letters."""
    return skipped("dead letters", why, "export CLIPSTITCH_DEAD_LETTER_QUEUE=NAME")
