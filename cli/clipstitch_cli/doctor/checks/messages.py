"""Checks topics, queues, dead-letter messages, and webhooks that are switched off. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from clipstitch.common.errors import ClipstitchError
from clipstitch.usecases.settings import Settings, Sink
from clipstitch_cli.doctor.deployment_facts import QueueFacts
from clipstitch_cli.doctor.findings import Finding, bad, format_age, no_answer, ok, warning


def topic(exists: bool, settings: Settings) -> list[Finding]:
    """Check the topic to which IMM sends completion notifications."""
    name = settings.completion_topic
    if not exists:
        message = f"there is no topic {name}, so no completion notification arrives"
        return [bad("topic", message, _create_command("topic", name, settings))]
    return [ok("topic", f"completion topic {name} exists")]


def sinks(found: Mapping[Sink, bool | QueueFacts | ClipstitchError | None], settings: Settings) -> Iterator[Finding]:
    """Check the topics and queues that receive events; webhooks are not called."""
    findings = []
    for sink, result in found.items():
        if isinstance(result, ClipstitchError):
            findings.append(no_answer("sinks", result))
        elif not result:
            message = f"sink {sink.name}: there is no {sink.kind} {sink.target}"
            findings.append(bad("sinks", message, _create_command(sink.kind, sink.target, settings)))
    if not findings:
        listed = ", ".join(f"{sink.name} ({sink.kind} {sink.target})" for sink in found)
        webhooks = sum(sink.kind == "webhook" for sink in settings.sinks)
        not_called = f"; {webhooks} webhooks are not called" if webhooks else ""
        findings.append(ok("sinks", f"{listed or 'no topics or queues'}{not_called}"))
    yield from findings


def _create_command(kind: str, name: str, settings: Settings) -> str:
    """Return the command that creates a topic or queue; the stack does not restore a deleted one."""
    resource = kind.capitalize()
    return f"aliyun mns-open Create{resource} --region {settings.oss_region} --{resource}Name {name}"


def dead_letters(queue: QueueFacts | None, name: str, settings: Settings, now: datetime) -> list[Finding]:
    """Check the queue of dead-letter messages."""
    if queue is None:
        message = f"there is no queue {name}, so events that failed finally are lost"
        return [bad("dead letters", message, _create_command("queue", name, settings))]
    if queue.messages:
        oldest = f" (oldest: {format_age(now - queue.since)})" if queue.since else ""
        count = f"{queue.messages} dead-letter message{'s' if queue.messages > 1 else ''}"
        return [bad("dead letters", f"{count} in queue {name}{oldest}", "clipstitch retry --dead-letters")]
    return [ok("dead letters", f"queue {name} is empty")]


def switched_off(objects: Sequence[str]) -> Iterator[Finding]:
    """Check for webhooks that were switched off because their receiver answered 410 Gone."""
    for uri in objects:
        sink = uri.rpartition("/")[2].removesuffix(".off")
        yield warning("webhooks", f"{sink} is switched off: its receiver answered 410 Gone", f"ossutil rm {uri}")
    if not objects:
        yield ok("webhooks", "none is switched off")
