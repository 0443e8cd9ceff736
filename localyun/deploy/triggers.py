"""Reads the triggers of a function and checks that they fit what the project declares.

Source: fc3 0.1.22, src/interface/base.ts and schema.json; FC "Overview of OSS triggers" (read 2026-11).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from localyun.deploy.declared import (
    BadDeployment,
    Deployment,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
    Trigger,
)
from localyun.fc.schedule import BadSchedule, Schedule

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


def read_trigger(function: str, spec: Mapping[str, Any], at: str) -> Trigger:
    """Turn one entry of `triggers` into a trigger."""
    _known(spec, _KEYS, at)
    readers: Mapping[str, Callable[[str, Mapping[str, Any], str], Trigger]] = {
        "oss": _object_trigger,
        "mns_topic": _topic_trigger,
        "timer": _timer_trigger,
    }
    if (kind := str(spec.get("triggerType"))) not in readers:
        raise BadDeployment(f"{at}: trigger type {kind!r} is unknown here; known: {', '.join(readers)}")
    if not spec.get("triggerName"):
        raise BadDeployment(f"{at}: triggerName is missing; give the trigger a name")
    return readers[kind](function, spec, at)


def _object_trigger(function: str, spec: Mapping[str, Any], at: str) -> ObjectTrigger:
    """Read a trigger on a bucket."""
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
    """Read a trigger on a topic."""
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
    """Read a trigger on the clock."""
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
    """Return the role that a trigger's source invokes with."""
    return str(spec.get("invocationRole") or "")


def _config(spec: Mapping[str, Any], known: frozenset[str], at: str) -> Mapping[str, Any]:
    """Return a trigger's configuration, which has no other keys than those known."""
    config = spec.get("triggerConfig") or {}
    _known(config, known, f"{at}.triggerConfig")
    return config if isinstance(config, Mapping) else {}


def _known(spec: Any, known: frozenset[str], at: str) -> None:
    """Complain about a key that means nothing."""
    if not isinstance(spec, Mapping):
        raise BadDeployment(f"{at}: must be a mapping with {', '.join(sorted(known))}")
    if unknown := sorted(set(spec) - known):
        raise BadDeployment(f"{at}: {', '.join(unknown)} is unknown; known: {', '.join(sorted(known))}")


def check_triggers(deployment: Deployment) -> None:
    """Complain where triggers name what does not exist, or where OSS would refuse them."""
    topics = [topic.name for topic in deployment.topics]
    on_objects = [trigger for trigger in deployment.triggers if isinstance(trigger, ObjectTrigger)]
    for trigger in deployment.triggers:
        if isinstance(trigger, ObjectTrigger):
            _exists("bucket", trigger.bucket, list(deployment.buckets), trigger.name)
        if isinstance(trigger, TopicTrigger):
            _exists("topic", trigger.topic, topics, trigger.name)
    for bucket in deployment.buckets:
        _check_bucket([trigger for trigger in on_objects if trigger.bucket == bucket])


def _exists(kind: str, name: str, known: list[str], trigger: str) -> None:
    """Complain about a name that nothing has."""
    if name not in known:
        raise BadDeployment(
            f"s.yaml: trigger {trigger}: sourceArn names the {kind} {name!r}, which no template declares; "
            f"declared: {', '.join(known) or 'none'}"
        )


def _check_bucket(triggers: list[ObjectTrigger]) -> None:
    """OSS takes ten triggers for a bucket, and no two that one event could match."""
    if len(triggers) > MAX_TRIGGERS_PER_BUCKET:
        raise BadDeployment(
            f"s.yaml: bucket {triggers[0].bucket} has {len(triggers)} triggers; OSS takes {MAX_TRIGGERS_PER_BUCKET}"
        )
    for one, other in itertools.combinations(triggers, 2):
        if _overlap(one, other):
            raise BadDeployment(
                f"s.yaml: triggers {one.name} and {other.name} would both take some event; OSS refuses that: "
                "make their events, prefixes or suffixes differ"
            )


def _overlap(one: ObjectTrigger, other: ObjectTrigger) -> bool:
    """Tell whether one event could match both."""
    events = any(covers(a, b) or covers(b, a) for a in one.events for b in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes


def covers(pattern: str, event: str) -> bool:
    """Tell whether a configured event name, which may end in `*`, means an event."""
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))
