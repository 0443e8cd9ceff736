"""Checks the triggers: complete, none too broad, none that fires for objects that clipstitch writes. Pure."""

from collections.abc import Iterator, Sequence

from clipstitch.manifest.parse import SUFFIXES
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import FunctionFacts, TriggerFacts
from clipstitch_cli.doctor.findings import Finding, bad, ok, warning

# FC, "What to do if a function is triggered multiple times upon object uploads", 2026: each of these is an event.
PARTS = ("InitiateMultipartUpload", "UploadPart", "UploadPartCopy")
DEPLOY = "s deploy"


def triggers(declared: FunctionFacts, function: FunctionFacts, region: str) -> Iterator[Finding]:
    """Check that every declared trigger of a function exists, as declared, and that there are no others."""
    by_name = {trigger.name: trigger for trigger in function.triggers}
    delete = f"aliyun fc DeleteTrigger --region {region} --functionName {function.name} --triggerName"
    for trigger in declared.triggers:
        found = by_name.pop(trigger.name, None)
        if found is None:
            message = f"{function.name} has no trigger {trigger.name}: {_consequence(trigger)}"
            yield bad("triggers", message, DEPLOY)
        elif differences := _differences(found, trigger):
            # Serverless Devs' component never updates a trigger of this type (devsapp/fc3 0.1.22).
            remedy = f"{delete} {trigger.name} && s deploy -y" if trigger.kind == "mns_topic" else DEPLOY
            yield bad("triggers", f"trigger {trigger.name} of {function.name} has {differences}", remedy)
    for name in by_name:
        message = f"{function.name} has a trigger {name} that s.yaml does not declare"
        yield warning("triggers", message, f"{delete} {name}")


def _consequence(trigger: TriggerFacts) -> str:
    """Return what happens without a trigger."""
    if trigger.kind == "oss":
        return f"uploads under {trigger.prefix} that end in {trigger.suffix} wait for the sweep"
    return "no sweep recovers jobs" if trigger.kind == "timer" else "completed tasks wait for the sweep"


def _differences(found: TriggerFacts, declared: TriggerFacts) -> str:
    wanted, actual = _properties(declared), _properties(found)
    names = [name for name in wanted if actual[name] != wanted[name]]
    return "; ".join(f"{name} {actual[name]!r}, s.yaml says {wanted[name]!r}" for name in names)


def _properties(trigger: TriggerFacts) -> dict[str, object]:
    """Return the properties that are compared, by their names in messages."""
    config, common = trigger.config, {"type": trigger.kind, "source": trigger.source}
    if trigger.kind == "oss":
        return {**common, "prefix": trigger.prefix, "suffix": trigger.suffix, "events": trigger.events}
    if trigger.kind == "timer":
        return {**common, "schedule": config.get("cronExpression"), "enabled": bool(config.get("enable"))}
    names = ("notifyContentFormat", "notifyStrategy", "filterTag")
    return {**common, **{name: config.get(name) for name in names}}


def loops(
    declared: Sequence[FunctionFacts], deployed: Sequence[FunctionFacts], settings: Settings
) -> Iterator[Finding]:
    """Check that triggers fire for every manifest, and neither for clipstitch's own objects nor for parts of uploads.

    A trigger that s.yaml itself declares too broad must be changed there, or each deployment restores it.
    """
    known = [trigger for one in declared for trigger in one.triggers]
    findings = []
    for trigger, message in too_broad(deployed, settings):
        remedy = f"narrow {trigger.name} in s.yaml, then: {DEPLOY}" if trigger in known else DEPLOY
        findings.append(bad("loops", message, remedy))
    yield from findings or [_watched_manifests(_oss_triggers(deployed), settings)]


def too_broad(functions: Sequence[FunctionFacts], settings: Settings) -> Iterator[tuple[TriggerFacts, str]]:
    """Yield triggers that fire for clipstitch's own objects, or for parts of uploads, each with a message."""
    return ((trigger, message) for trigger in _oss_triggers(functions) for message in _loops(trigger, settings))


def _oss_triggers(functions: Sequence[FunctionFacts]) -> list[TriggerFacts]:
    return [trigger for one in functions for trigger in one.triggers if trigger.kind == "oss"]


def _loops(trigger: TriggerFacts, settings: Settings) -> Iterator[str]:
    if broad := [name for name in trigger.events if name.endswith("*") or name.rpartition(":")[2] in PARTS]:
        yield f"trigger {trigger.name} fires for every part of an upload: {', '.join(broad)}"
    if written := ", ".join(_written_objects(trigger, settings)):
        place = trigger.prefix or "the whole bucket"
        yield f"trigger {trigger.name} on {place} fires for clipstitch's own {written}"


def _written_objects(trigger: TriggerFacts, settings: Settings) -> Iterator[str]:
    """Yield which written objects a trigger matches; its suffix does not help, because users name the outputs."""
    reserved = (settings.manifest_prefix, settings.state_prefix, settings.result_prefix)
    if trigger.bucket == settings.state_bucket_name and _overlap(trigger.prefix, settings.state_prefix):
        yield f"state ({settings.state_prefix})"
    if trigger.bucket == settings.bucket and _overlap(trigger.prefix, settings.result_prefix):
        yield f"results ({settings.result_prefix})"
    written = trigger.bucket in (settings.bucket, *settings.output_buckets)
    if written and not trigger.prefix.startswith(reserved):  # outputs are not allowed under reserved prefixes
        for prefix in settings.output_prefixes:
            if _overlap(trigger.prefix, prefix):
                yield f"outputs ({prefix or 'anywhere'})"


def _overlap(one: str, other: str) -> bool:
    """Return True if a key can have both prefixes."""
    return one.startswith(other) or other.startswith(one)


def _watched_manifests(oss_triggers: Sequence[TriggerFacts], settings: Settings) -> Finding:
    """Check that manifests of every kind have a trigger."""
    on_bucket = [trigger for trigger in oss_triggers if trigger.bucket == settings.bucket]
    watching = [trigger for trigger in on_bucket if settings.manifest_prefix.startswith(trigger.prefix)]
    missing = [suffix for suffix in SUFFIXES if not any(suffix.endswith(trigger.suffix) for trigger in watching)]
    if missing:
        place = f"oss://{settings.bucket}/{settings.manifest_prefix}"
        return bad("loops", f"no trigger watches {place} for {', '.join(missing)}; those wait for the sweep", DEPLOY)
    return ok("loops", f"no trigger matches outputs, results or state; all of {settings.manifest_prefix} is watched")
