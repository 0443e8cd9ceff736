"""Parses the triggers of a function and checks them against the resources that the project declares.

Source: fc3 0.1.22, src/interface/base.ts and schema.json; FC "Overview of OSS triggers" (read 2026-11).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localyun.deploy.declared import BadDeployment, Deployment
from localyun.fc.schedule import BadSchedule, Schedule
from localyun.fc.values import ObjectTrigger, TimerTrigger, TopicTrigger, Trigger, event_matches
from localyun.smq.values import STRATEGIES

MAX_TRIGGERS_PER_BUCKET = 10
OSS_EVENTS = frozenset(
    f"oss:{group}:{name}"
    for group, names in {
        "ObjectCreated": "* PutObject PostObject CopyObject PutSymlink AppendObject InitiateMultipartUpload "
        "UploadPart UploadPartCopy CompleteMultipartUpload",
        "ObjectRemoved": "* DeleteObject DeleteObjects AbortMultipartUpload",
        "ObjectModified": "* UpdateObjectMeta",
        "ObjectReplication": "* ObjectCreated ObjectRemoved ObjectModified",
    }.items()
    for name in names.split()
)
_KEYS = {"triggerName", "triggerType", "qualifier", "description", "sourceArn", "invocationRole", "triggerConfig"}


def parse_trigger(function: str, spec: Mapping[str, Any], at: str) -> Trigger:
    """Return the trigger of an entry of `triggers`; raise `BadDeployment` if it is not valid."""
    _check_keys(spec, _KEYS, at)
    parsers: Mapping[str, tuple[Callable[[str, Mapping[str, Any], Mapping[str, Any], str], Trigger], set[str]]] = {
        "oss": (_object_trigger, {"events", "filter"}),
        "mns_topic": (_topic_trigger, {"notifyContentFormat", "notifyStrategy", "filterTag"}),
        "timer": (_timer_trigger, {"cronExpression", "enable", "payload"}),
    }
    if (kind := str(spec.get("triggerType"))) not in parsers:
        raise BadDeployment(f"{at}: trigger type {kind!r} is unknown here; known: {', '.join(parsers)}")
    if not spec.get("triggerName"):
        raise BadDeployment(f"{at}: triggerName is missing; give the trigger a name")
    parse, known = parsers[kind]
    config = spec.get("triggerConfig") or {}
    _check_keys(config, known, f"{at}.triggerConfig")
    return parse(function, spec, config, at)


def _object_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> ObjectTrigger:
    events = tuple(config.get("events") or ())
    if unknown := sorted(set(events) - OSS_EVENTS):
        known = ", ".join(sorted(OSS_EVENTS))
        raise BadDeployment(f"{at}: event {', '.join(unknown)} is unknown; known: {known}")
    key = (config.get("filter") or {}).get("key")
    if not events or not isinstance(key, Mapping) or set(key) != {"prefix", "suffix"}:
        raise BadDeployment(f"{at}: needs events and filter: {{key: {{prefix: ..., suffix: ...}}}}, both keys")
    bucket = str(spec.get("sourceArn", "")).rpartition(":")[2]
    prefix, suffix = key["prefix"] or "", key["suffix"] or ""
    return ObjectTrigger(function, spec["triggerName"], bucket, events, prefix, suffix, _role(spec))


def _topic_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> TopicTrigger:
    form = _choice(config, "notifyContentFormat", ("STREAM", "JSON"), at)
    strategy = _choice(config, "notifyStrategy", STRATEGIES, at)
    topic = str(spec.get("sourceArn", "")).rpartition("/topics/")[2]
    tag = str(config.get("filterTag") or "")
    return TopicTrigger(function, spec["triggerName"], topic, form, strategy, tag, _role(spec))


def _timer_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> TimerTrigger:
    expression = str(config.get("cronExpression", ""))
    try:
        Schedule.parse(expression)
    except BadSchedule as error:
        raise BadDeployment(f"{at}: {error}") from error
    return TimerTrigger(
        function, spec["triggerName"], expression, str(config.get("payload") or ""), bool(config.get("enable", True))
    )


def _role(spec: Mapping[str, Any]) -> str:
    return str(spec.get("invocationRole") or "")


def _choice(config: Mapping[str, Any], name: str, known: Sequence[str], at: str) -> str:
    """Return an option, by default the first known value; raise `BadDeployment` for an unknown value."""
    if (value := config.get(name, known[0])) not in known:
        raise BadDeployment(f"{at}: {name} {value!r} is unknown; known: {', '.join(known)}")
    return str(value)


def _check_keys(spec: Any, known: set[str], at: str) -> None:
    if not isinstance(spec, Mapping):
        raise BadDeployment(f"{at}: must be a mapping with {', '.join(sorted(known))}")
    if unknown := sorted(set(spec) - known):
        raise BadDeployment(f"{at}: {', '.join(unknown)} is unknown; known: {', '.join(sorted(known))}")


def check_triggers(deployment: Deployment) -> None:
    """Raise `BadDeployment` if a trigger's source is not declared, or if OSS would reject the triggers of a bucket."""
    topics = [topic.name for topic in deployment.topics]
    on_objects = [trigger for trigger in deployment.triggers if isinstance(trigger, ObjectTrigger)]
    for trigger in deployment.triggers:
        if isinstance(trigger, ObjectTrigger):
            _check_declared("bucket", trigger.bucket, list(deployment.buckets), trigger.name)
        if isinstance(trigger, TopicTrigger):
            _check_declared("topic", trigger.topic, topics, trigger.name)
    for bucket in deployment.buckets:
        _check_bucket([trigger for trigger in on_objects if trigger.bucket == bucket])


def _check_declared(kind: str, name: str, known: list[str], trigger: str) -> None:
    if name not in known:
        raise BadDeployment(
            f"s.yaml: trigger {trigger}: sourceArn names the {kind} {name!r}, which no template declares; "
            f"declared: {', '.join(known) or 'none'}"
        )


def _check_bucket(triggers: list[ObjectTrigger]) -> None:
    """Check the rules of OSS: at most ten triggers per bucket, and no two that match the same event."""
    if len(triggers) > MAX_TRIGGERS_PER_BUCKET:
        raise BadDeployment(
            f"s.yaml: bucket {triggers[0].bucket} has {len(triggers)} triggers; OSS allows {MAX_TRIGGERS_PER_BUCKET}"
        )
    for one, other in itertools.combinations(triggers, 2):
        if _overlap(one, other):
            raise BadDeployment(
                f"s.yaml: triggers {one.name} and {other.name} would both match an event, which OSS rejects: "
                "make their events, prefixes or suffixes differ"
            )


def _overlap(one: ObjectTrigger, other: ObjectTrigger) -> bool:
    """Return True if an event could match both triggers."""
    events = any(event_matches(a, b) or event_matches(b, a) for a in one.events for b in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes
