"""Parses the triggers of a function and checks them against the resources that the project declares.

Source: fc3 0.1.22, src/interface/base.ts and schema.json; FC "Overview of OSS triggers" (read 2026-11).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from localyun.deploy.declared import BadDeployment, Deployment
from localyun.fc.schedule import BadSchedule, Schedule
from localyun.fc.values import ObjectTrigger, TimerTrigger, TopicTrigger, Trigger, event_matches

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
_KEYS = frozenset(
    ("triggerName", "triggerType", "qualifier", "description", "sourceArn", "invocationRole", "triggerConfig")
)


def parse_trigger(function: str, spec: Mapping[str, Any], at: str) -> Trigger:
    """Return the trigger of an entry of `triggers`; raise `BadDeployment` if it is not valid."""
    _check_keys(spec, _KEYS, at)
    parsers: Mapping[str, Callable[[str, Mapping[str, Any], str], Trigger]] = {
        "oss": _object_trigger,
        "mns_topic": _topic_trigger,
        "timer": _timer_trigger,
    }
    if (kind := str(spec.get("triggerType"))) not in parsers:
        raise BadDeployment(f"{at}: trigger type {kind!r} is unknown here; known: {', '.join(parsers)}")
    if not spec.get("triggerName"):
        raise BadDeployment(f"{at}: triggerName is missing; give the trigger a name")
    return parsers[kind](function, spec, at)


def _object_trigger(function: str, spec: Mapping[str, Any], at: str) -> ObjectTrigger:
    config = _config(spec, frozenset(["events", "filter"]), at)
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


def _topic_trigger(function: str, spec: Mapping[str, Any], at: str) -> TopicTrigger:
    config = _config(spec, frozenset(["notifyContentFormat", "notifyStrategy", "filterTag"]), at)
    form, strategy = config.get("notifyContentFormat", "STREAM"), config.get("notifyStrategy", "BACKOFF_RETRY")
    if form not in ("STREAM", "JSON"):
        raise BadDeployment(f"{at}: notifyContentFormat {form!r} is unknown; known: STREAM, JSON")
    if strategy not in ("BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY"):
        raise BadDeployment(
            f"{at}: notifyStrategy {strategy!r} is unknown; known: BACKOFF_RETRY, EXPONENTIAL_DECAY_RETRY"
        )
    topic = str(spec.get("sourceArn", "")).rpartition("/topics/")[2]
    tag = str(config.get("filterTag") or "")
    return TopicTrigger(function, spec["triggerName"], topic, form, strategy, tag, _role(spec))


def _timer_trigger(function: str, spec: Mapping[str, Any], at: str) -> TimerTrigger:
    config = _config(spec, frozenset(["cronExpression", "enable", "payload"]), at)
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


def _config(spec: Mapping[str, Any], known: frozenset[str], at: str) -> Mapping[str, Any]:
    """Return a trigger's configuration; raise `BadDeployment` for an unknown key."""
    config = spec.get("triggerConfig") or {}
    _check_keys(config, known, f"{at}.triggerConfig")
    return config if isinstance(config, Mapping) else {}


def _check_keys(spec: Any, known: frozenset[str], at: str) -> None:
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
