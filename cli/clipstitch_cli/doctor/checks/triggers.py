"""Judges triggers as they are deployed: all there, none too broad, and none that would start us on what we wrote."""

from collections.abc import Iterator, Sequence

from clipstitch.manifest.parse import SUFFIXES
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import Function, Trigger
from clipstitch_cli.doctor.findings import Finding, bad, ok, warning

# FC, "What to do if a function is triggered multiple times upon object uploads", 2026: each of these is an event.
PARTS = ("InitiateMultipartUpload", "UploadPart", "UploadPartCopy")
DEPLOY = "s deploy"


def triggers(wanted: Sequence[Function], found: Sequence[Function], region: str) -> Iterator[Finding]:
    """Judge whether every declared trigger is there, as declared, and whether there are more."""
    declared = {one.name: one.triggers for one in wanted}
    troubles = [trouble for one in found for trouble in _triggers(one, declared[one.name], region)]
    count = sum(len(one.triggers) for one in found)
    yield from troubles or [ok("triggers", f"all {count} are as s.yaml declares them")]


def _triggers(found: Function, wanted: Sequence[Trigger], region: str) -> Iterator[Finding]:
    """Compare one function's triggers with their declarations."""
    by_name = {trigger.name: trigger for trigger in found.triggers}
    for trigger in wanted:
        there = by_name.pop(trigger.name, None)
        if there is None:
            yield bad("triggers", f"{found.name} has no trigger {trigger.name}: {_misses(trigger)}", DEPLOY)
        elif differences := _differences(there, trigger):
            yield bad("triggers", f"trigger {trigger.name} of {found.name} has {differences}", DEPLOY)
    for name in by_name:
        line = f"{found.name} has a trigger {name} that s.yaml does not declare"
        remedy = f"aliyun fc DeleteTrigger --region {region} --functionName {found.name} --triggerName {name}"
        yield warning("triggers", line, remedy)


def _misses(trigger: Trigger) -> str:
    """Say what does not happen without a trigger."""
    match trigger.kind:
        case "oss":
            return f"uploads below {trigger.prefix} that end in {trigger.suffix} wait for the sweep"
        case "timer":
            return "nobody looks after what waits too long"
        case _:
            return "ends of tasks wait for the sweep"


def _differences(there: Trigger, wanted: Trigger) -> str:
    """Say in what a trigger differs from its declaration."""
    ours, theirs = _particulars(wanted), _particulars(there)
    return "; ".join(
        f"{name} {theirs[name]!r}, s.yaml says {ours[name]!r}" for name in ours if theirs[name] != ours[name]
    )


def _particulars(trigger: Trigger) -> dict[str, object]:
    """Return what matters of a trigger, by names for people."""
    config = trigger.config
    match trigger.kind:
        case "oss":
            about: dict[str, object] = {"prefix": trigger.prefix, "suffix": trigger.suffix, "events": trigger.events}
        case "timer":
            about = {"schedule": config.get("cronExpression"), "enabled": bool(config.get("enable"))}
        case _:
            about = {name: config.get(name) for name in ("notifyContentFormat", "notifyStrategy", "filterTag")}
    return {"type": trigger.kind, "source": trigger.source, **about}


def loops(wanted: Sequence[Function], found: Sequence[Function], settings: Settings) -> Iterator[Finding]:
    """Judge whether a trigger could fire for what we write, for parts of uploads, or for no manifest of ours."""
    declared = [trigger for one in wanted for trigger in one.triggers]
    troubles = [bad("loops", line, _narrow(trigger, declared)) for trigger, line in too_broad(found, settings)]
    yield from troubles or _unwatched(_watching(found), settings)


def too_broad(found: Sequence[Function], settings: Settings) -> Iterator[tuple[Trigger, str]]:
    """Name triggers that could fire for what we write, or for parts of uploads, and say how."""
    return ((trigger, line) for trigger in _watching(found) for line in _loop(trigger, settings))


def _watching(found: Sequence[Function]) -> list[Trigger]:
    """Return the triggers that wait for objects."""
    return [trigger for one in found for trigger in one.triggers if trigger.kind == "oss"]


def _narrow(trigger: Trigger, declared: Sequence[Trigger]) -> str:
    """Spell the repair of a trigger; one that s.yaml declares so comes back with every deployment."""
    return f"narrow {trigger.name} in s.yaml, then: {DEPLOY}" if trigger in declared else DEPLOY


def _loop(trigger: Trigger, settings: Settings) -> Iterator[str]:
    """Say what is wrong with one trigger."""
    if broad := [name for name in trigger.events if name.endswith("*") or name.rpartition(":")[2] in PARTS]:
        yield f"trigger {trigger.name} fires for every part of an upload: {', '.join(broad)}"
    if what := ", ".join(_own(trigger, settings)):
        yield f"trigger {trigger.name} on {trigger.prefix or 'the whole bucket'} fires for our own {what}"


def _own(trigger: Trigger, settings: Settings) -> Iterator[str]:
    """Name what of ours could match a trigger; suffixes are no help, since outputs are named by users."""
    state = settings.state_bucket or settings.bucket
    reserved = (settings.manifest_prefix, settings.state_prefix, settings.result_prefix)
    if trigger.bucket == state and _meet(trigger.prefix, settings.state_prefix):
        yield f"state ({settings.state_prefix})"
    if trigger.bucket == settings.bucket and _meet(trigger.prefix, settings.result_prefix):
        yield f"results ({settings.result_prefix})"
    written = trigger.bucket in (settings.bucket, *settings.output_buckets)
    if written and not trigger.prefix.startswith(reserved):  # no output may lie in those
        yield from (
            f"outputs ({prefix or 'anywhere'})" for prefix in settings.output_prefixes if _meet(trigger.prefix, prefix)
        )


def _meet(one: str, other: str) -> bool:
    """Say whether a key could begin with both."""
    return one.startswith(other) or other.startswith(one)


def _unwatched(watching: Sequence[Trigger], settings: Settings) -> Iterator[Finding]:
    """Judge whether manifests of every kind have a trigger."""
    home = [trigger for trigger in watching if trigger.bucket == settings.bucket]
    heard = [trigger for trigger in home if settings.manifest_prefix.startswith(trigger.prefix)]
    deaf = [suffix for suffix in SUFFIXES if not any(suffix.endswith(trigger.suffix) for trigger in heard)]
    if deaf:
        where = f"oss://{settings.bucket}/{settings.manifest_prefix}"
        yield bad("loops", f"no trigger watches {where} for {', '.join(deaf)}; those wait for the sweep", DEPLOY)
        return
    yield ok("loops", f"no trigger matches outputs, results or state; all of {settings.manifest_prefix} is watched")
