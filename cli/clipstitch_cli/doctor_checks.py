"""All checks in their order. One that fails stops only those that it is needed for, and they say so."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from clipstitch.errors import ClipstitchError
from clipstitch_cli import doctor_functions, doctor_jobs, doctor_messages, doctor_storage, doctor_triggers
from clipstitch_cli.doctor_facts import Bucket, Function, KeyRefused, OtherRegion, Questions, Queue, Wanted
from clipstitch_cli.doctor_findings import Finding, asked, ok, skipped


class Check(NamedTuple):
    """A check: its name, what it looks at, and what repairs it, in the words of docs/doctor.md."""

    name: str
    looks_at: str
    remedy: str


CHECKS = (
    Check("settings", "the environment, as `docs/settings.md` describes it", "set the variables that are named"),
    Check("clock", "our clock beside the `Date` of OSS's answer", "`sudo timedatectl set-ntp true`"),
    Check("access key", "whether OSS takes it", "set `OSS_ACCESS_KEY_ID`, `…_SECRET` and `OSS_SESSION_TOKEN`"),
    Check("bucket", "whether `CLIPSTITCH_BUCKET` is there", "`s deploy`"),
    Check("region", "where the bucket lies, beside `OSS_REGION`", "`OSS_REGION=… s deploy`, or `export OSS_REGION=…`"),
    Check(
        "versioning",
        "the buckets for manifests, state and outputs",
        "`CLIPSTITCH_BUCKET=… s deploy`: a bucket that never had it",
    ),
    Check("binding", "the bucket's IMM project, beside `CLIPSTITCH_IMM_PROJECT`", "`aliyun imm AttachOSSBucket …`"),
    Check("topic", "the topic on which IMM says that tasks have ended", "`aliyun mns-open CreateTopic …`"),
    Check("sinks", "the topics and queues of `CLIPSTITCH_SINKS`", "`aliyun mns-open CreateTopic …`, `CreateQueue …`"),
    Check("dead letters", "how many there are, and since when", "`clipstitch retry --dead-letters`"),
    Check("functions", "whether those of `s.yaml` are there, and their runtime", "`s deploy`"),
    Check("environment", "the functions' settings, beside `s.yaml` and the shell", "`s deploy`, or `export …`"),
    Check("give-ups", "where Function Compute puts events that it gives up on", "`s deploy`"),
    Check("roles", "the roles of functions and of triggers' sources", "`s deploy`"),
    Check("triggers", "the triggers that are deployed, beside `s.yaml`", "`s deploy`"),
    Check(
        "loops", "whether a trigger fires for our own objects, for parts of uploads, or for no manifests", "`s deploy`"
    ),
    Check("open jobs", "how many there are, how old, and past their deadline", "`clipstitch show JOB`"),
    Check("webhooks", "receivers that have answered 410 Gone", "`ossutil rm oss://…/sinks/NAME.off`"),
)
_OF_FUNCTIONS = ("functions", "environment", "give-ups", "roles", "triggers", "loops")
_OF_STATE = ("open jobs", "webhooks")
_IN_REGION = tuple(check.name for check in CHECKS[7:])


def only_settings(trouble: Finding) -> list[Finding]:
    """Say that nothing can be asked."""
    return [trouble, *(skipped(check.name, "the settings are incomplete") for check in CHECKS[1:])]


def examine(ask: Questions, wanted: Wanted, now: datetime) -> Iterator[Finding]:
    """Look at everything; findings come as they are found."""
    settings = wanted.settings
    yield ok("settings", f"complete, for bucket {settings.bucket} in {settings.oss_region}")
    yield doctor_storage.clock(asked(ask.skew))
    home = asked(lambda: ask.bucket(settings.bucket))
    yield doctor_storage.access_key(home, wanted.key_id)
    if isinstance(home, KeyRefused):
        yield from (skipped(check.name, "the access key is refused") for check in CHECKS[3:])
        return
    yield from _buckets(home, ask, wanted)
    if isinstance(home, OtherRegion):
        yield from (skipped(name, "the region is wrong") for name in _IN_REGION)
        return
    yield from _messages(ask, wanted, now)
    yield from _functions(ask, wanted)
    yield from _state(home, ask, now)


def _buckets(home: Bucket | ClipstitchError | None, ask: Questions, wanted: Wanted) -> Iterator[Finding]:
    """Look at buckets and the binding."""
    settings = wanted.settings
    name = settings.bucket
    yield doctor_storage.bucket(name, home, settings.oss_region)
    yield doctor_storage.region(name, home, settings) or skipped("region", f"bucket {name} was not seen")
    more = dict.fromkeys(filter(None, (settings.state_bucket, *settings.output_buckets)))
    others = {other: asked(lambda other=other: ask.bucket(other)) for other in more if other != name}  # type: ignore[misc]
    yield from (doctor_storage.bucket(other, looked, settings.oss_region) for other, looked in others.items())
    versioning = list(doctor_storage.versioning({name: home, **others}, settings))
    yield from versioning or [skipped("versioning", f"bucket {name} was not seen")]
    yield from _binding(home, ask, wanted)


def _binding(home: Bucket | ClipstitchError | None, ask: Questions, wanted: Wanted) -> Iterator[Finding]:
    """Look at the binding, if there is a bucket, and somebody to ask."""
    if not isinstance(home, Bucket):
        yield skipped("binding", f"bucket {wanted.settings.bucket} was not seen")
    elif why := wanted.unasked.get("IMM"):
        yield skipped("binding", why)
    else:
        yield doctor_storage.binding(asked(lambda: ask.project_of(wanted.settings.bucket)), wanted.settings)


def _messages(ask: Questions, wanted: Wanted, now: datetime) -> Iterator[Finding]:
    """Look at topics and queues."""
    settings = wanted.settings
    yield doctor_messages.topic(asked(lambda: ask.has_topic(settings.completion_topic)), settings)
    looks: dict[str, Callable[[str], bool | Queue | None]] = {"topic": ask.has_topic, "queue": ask.queue}
    found = {
        sink: asked(lambda sink=sink: looks[sink.kind](sink.target))  # type: ignore[misc]
        for sink in settings.sinks
        if sink.kind in looks
    }
    yield from doctor_messages.sinks(found, settings)
    if wanted.dead_letters:
        queue = asked(lambda: ask.queue(wanted.dead_letters))
        yield doctor_messages.dead_letters(wanted.dead_letters, queue, settings, now)
    else:
        yield doctor_messages.unnamed_letters(wanted.unread or "nobody names their queue")


def _functions(ask: Questions, wanted: Wanted) -> Iterator[Finding]:
    """Look at functions and triggers, if we know how they are meant to be, and somebody to ask."""
    if why := wanted.unread or wanted.unasked.get("FC"):
        yield from (skipped(name, why) for name in _OF_FUNCTIONS)
        return
    found = {one.name: asked(lambda one=one: ask.function(one.name)) for one in wanted.functions}  # type: ignore[misc]
    yield from doctor_functions.functions(wanted.functions, found)
    seen = [one for one in found.values() if isinstance(one, Function)]
    if not seen:
        yield from (skipped(name, "no function was seen") for name in _OF_FUNCTIONS[1:])
        return
    yield from doctor_functions.environment(wanted.functions, seen, wanted.settings)
    yield from doctor_functions.destinations(wanted.functions, seen)
    yield from doctor_functions.roles(wanted.functions, seen)
    yield from doctor_triggers.triggers(wanted.functions, seen)
    yield from doctor_triggers.loops(seen, wanted.settings)


def _state(home: Bucket | ClipstitchError | None, ask: Questions, now: datetime) -> Iterator[Finding]:
    """Look at what is under way, if the bucket can be read."""
    if not isinstance(home, Bucket):
        yield from (skipped(name, "the bucket was not seen") for name in _OF_STATE)
        return
    yield from doctor_jobs.open_jobs(asked(ask.open_jobs), now)
    yield from doctor_messages.switched_off(asked(ask.switched_off))
