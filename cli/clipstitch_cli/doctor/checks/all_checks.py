"""All checks in their order. One that fails stops only those that it is needed for, and they say so."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.checks import functions, jobs, messages, storage, triggers
from clipstitch_cli.doctor.deployment_facts import Bucket, Function, KeyRefused, OtherRegion, Questions, Queue, Wanted
from clipstitch_cli.doctor.findings import Finding, asked, ok, skipped


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
Home = Bucket | ClipstitchError | None


def only_settings(trouble: Finding) -> list[Finding]:
    """Say that nothing can be asked."""
    return [trouble, *_behind("settings", "the settings are incomplete")]


def _behind(name: str, why: str) -> list[Finding]:
    """Skip all checks behind one."""
    names = [check.name for check in CHECKS]
    return [skipped(each, why) for each in names[names.index(name) + 1 :]]


def examine(ask: Questions, wanted: Wanted, now: datetime) -> Iterator[Finding]:
    """Look at everything; findings come as they are found."""
    settings = wanted.settings
    yield ok("settings", f"complete, for bucket {settings.bucket} in {settings.oss_region}")
    yield storage.clock(asked(ask.skew))
    home = asked(partial(ask.bucket, settings.bucket))
    yield storage.access_key(home, wanted.key_id)
    if isinstance(home, KeyRefused):
        yield from _behind("access key", "the access key is refused")
        return
    yield from _buckets(home, ask, settings)
    yield from _binding(home, ask, wanted)
    if isinstance(home, OtherRegion):  # s.yaml was read for the wrong region, too
        yield from _behind("binding", "the region is wrong")
        return
    yield from _messages(ask, wanted, now)
    yield from _functions(ask, wanted)
    yield from _state(home, ask, settings, now)


def _buckets(home: Home, ask: Questions, settings: Settings) -> Iterator[Finding]:
    """Look at buckets."""
    name = settings.bucket
    yield storage.bucket(name, home, settings)
    yield storage.region(name, home, settings) or skipped("region", f"bucket {name} was not seen")
    more = dict.fromkeys(filter(None, (settings.state_bucket, *settings.output_buckets)))
    others = {other: asked(partial(ask.bucket, other)) for other in more if other != name}
    for other, looked in others.items():
        yield storage.bucket(other, looked, settings)
        yield from filter(None, [storage.region(other, looked, settings)])
    versioning = list(storage.versioning({name: home, **others}, settings))
    yield from versioning or [skipped("versioning", f"bucket {name} was not seen")]


def _out_of_reach(home: Home, settings: Settings) -> str:
    """Say why nothing in the bucket can be looked at; "" when it can."""
    if not isinstance(home, Bucket):
        return f"bucket {settings.bucket} was not seen"
    return "the bucket lies in another region" if home.region != settings.oss_region else ""


def _binding(home: Home, ask: Questions, wanted: Wanted) -> Iterator[Finding]:
    """Look at the binding, if there is a bucket that can have one, and somebody to ask."""
    if why := _out_of_reach(home, wanted.settings) or wanted.unasked.get("IMM"):
        yield skipped("binding", why)
    else:
        yield storage.binding(asked(partial(ask.project_of, wanted.settings.bucket)), wanted.settings)


def _messages(ask: Questions, wanted: Wanted, now: datetime) -> Iterator[Finding]:
    """Look at topics and queues."""
    settings = wanted.settings
    yield messages.topic(asked(partial(ask.has_topic, settings.completion_topic)), settings)
    looks: dict[str, Callable[[str], bool | Queue | None]] = {"topic": ask.has_topic, "queue": ask.queue}
    listed = [sink for sink in settings.sinks if sink.kind in looks]
    found = {sink: asked(partial(looks[sink.kind], sink.target)) for sink in listed}
    yield from messages.sinks(found, settings)
    if wanted.dead_letters:
        queue = asked(partial(ask.queue, wanted.dead_letters))
        yield messages.dead_letters(wanted.dead_letters, queue, settings, now)
    else:
        yield messages.unnamed_letters(wanted.unread or "nobody names their queue")


def _functions(ask: Questions, wanted: Wanted) -> Iterator[Finding]:
    """Look at functions and triggers, if we know how they are meant to be, and somebody to ask."""
    if why := wanted.unread or wanted.unasked.get("FC"):
        yield from (skipped(name, why) for name in _OF_FUNCTIONS)
        return
    found = {one.name: asked(partial(ask.function, one.name)) for one in wanted.functions}
    yield from functions.functions(wanted.functions, found)
    seen = [one for one in found.values() if isinstance(one, Function)]
    if not seen:
        yield from (skipped(name, "no function was seen") for name in _OF_FUNCTIONS[1:])
        return
    yield from functions.environment(wanted.functions, seen, wanted.settings)
    yield from functions.destinations(wanted.functions, seen)
    yield from functions.roles(wanted.functions, seen)
    yield from triggers.triggers(wanted.functions, seen, wanted.settings.oss_region)
    yield from triggers.loops(wanted.functions, seen, wanted.settings)


def _state(home: Home, ask: Questions, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at what is under way, if the bucket can be read."""
    if why := _out_of_reach(home, settings):
        yield from (skipped(name, why) for name in _OF_STATE)
        return
    yield from jobs.open_jobs(asked(ask.open_jobs), now)
    yield from messages.switched_off(asked(ask.switched_off))
