"""Functions, triggers, aliases and settings in documents of API 2023-03-30, parsed. Pure.

The HTTP endpoint and s.yaml of Serverless Devs use the same names. Sources: models of alibabacloud-fc20230330 4.8;
fc3 0.1.22, src/interface/base.ts and schema.json; FC "Overview of OSS triggers" (read 2026-11).
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from localyun.errors import ServiceError
from localyun.fc.schedule import BadSchedule, Schedule
from localyun.fc.values import (
    LATEST,
    AsyncConfig,
    FunctionAlias,
    FunctionCode,
    FunctionConfig,
    LifecycleHook,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
    Trigger,
    event_matches,
)
from localyun.smq.values import STRATEGIES

MAX_TRIGGERS_PER_BUCKET = 10
# The fields of CreateFunctionInput except `code`; those that have no default here are answered only if they were set.
FUNCTION_DEFAULTS: Mapping[str, Any] = {
    "cpu": 0.35,
    "description": "",
    "diskSize": 512,
    "environmentVariables": {},
    "instanceIsolationMode": "SHARE",
    "internetAccess": True,
    "memorySize": 512,
    "role": "",
    "sessionAffinity": "NONE",
    "timeout": 3,
}
FUNCTION_FIELDS = frozenset(FUNCTION_DEFAULTS) | frozenset(
    """
    functionName runtime handler instanceConcurrency layers logConfig vpcConfig nasConfig ossMountConfig customDNS
    customRuntimeConfig customContainerConfig gpuConfig tracingConfig tags instanceLifecycleConfig idleTimeout
    disableInjectCredentials disableOndemand enableLongLiving juiceFsConfig microSandboxConfig polarFsConfig
    resourceGroupId sessionAffinityConfig
    """.split()  # noqa: SIM905 - twenty quoted words are harder to read
)
# Queues and topics of SMQ with and without the account, and functions ("Result callback", 2026-04).
DESTINATION = re.compile(
    r"acs:(?:mns:[^:]*:[^:]*:/?(?:queues|topics)/[^/]+(?:/messages)?|fc:[^:]*:[^:]*:.*functions/.+)"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")  # FC API 2023-03-30, CreateFunction and CreateAlias
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
TRIGGER_FIELDS = frozenset(
    {"triggerName", "triggerType", "qualifier", "description", "sourceArn", "invocationRole", "triggerConfig"}
)


class BadConfiguration(ValueError):
    """A function or trigger that is not valid; the message has the place, the error and the known values."""


@contextmanager
def rejected() -> Iterator[None]:
    """Raise errors of a configuration as `ServiceError`."""
    try:
        yield
    except BadConfiguration as error:
        raise ServiceError(400, "InvalidArgument", str(error)) from error


def parse_function(document: Mapping[str, Any], code: FunctionCode, at: str) -> FunctionConfig:
    """Return the function of a document; `at` is its place in messages. Raises BadConfiguration."""
    _check_keys(document, FUNCTION_FIELDS, at)
    if missing := [key for key in ("functionName", "runtime", "handler") if not document.get(key)]:
        raise BadConfiguration(f"{at}: {', '.join(missing)} missing; only built-in Python runtimes run here")
    if not str(document["runtime"]).startswith("python3"):
        known = "known: python3.9, python3.10, python3.12"
        raise BadConfiguration(f"{at}: runtime {document['runtime']} cannot run here; {known}")
    values = {**FUNCTION_DEFAULTS, **document}
    hooks, log = (_mapping(values.get(name), f"{at}.{name}") for name in ("instanceLifecycleConfig", "logConfig"))
    variables = _mapping(values["environmentVariables"], f"{at}.environmentVariables")
    return FunctionConfig(
        name=str(values["functionName"]),
        handler=str(values["handler"]),
        code=code.paths,
        runtime=str(values["runtime"]),
        timeout=_integer(values["timeout"], f"{at}.timeout", 1, 86400),
        memory=_integer(values["memorySize"], f"{at}.memorySize", 128, 32768),
        environment={key: str(value) for key, value in variables.items()},
        role=str(values["role"] or ""),
        description=str(values["description"] or ""),
        log_project=str(log.get("project") or ""),
        log_store=str(log.get("logstore") or ""),
        initializer=_hook(hooks, "initializer", f"{at}.instanceLifecycleConfig"),
        pre_stop=_hook(hooks, "preStop", f"{at}.instanceLifecycleConfig"),
        built=code.built,
        python=code.python,
        document=dict(document),
        code_size=code.size,
        code_checksum=code.checksum,
    )


def parse_async_config(document: Mapping[str, Any], at: str = "asyncInvokeConfig") -> AsyncConfig:
    """Return the settings of asynchronous invocations; defaults as in PutAsyncInvokeConfig. Raises BadConfiguration."""
    if not isinstance(task := document.get("asyncTask") or False, bool):
        raise BadConfiguration(f"{at}.asyncTask is {task!r}; write true or false")
    destinations = _mapping(document.get("destinationConfig"), f"{at}.destinationConfig")
    targets = {name: _mapping(destinations.get(name), f"{at}.{name}") for name in ("onSuccess", "onFailure")}
    retries, age = document.get("maxAsyncRetryAttempts"), document.get("maxAsyncEventAgeInSeconds")
    return AsyncConfig(
        retries=_integer(3 if retries is None else retries, f"{at}.maxAsyncRetryAttempts", 0, 8),
        max_age_seconds=_integer(86400 if age is None else age, f"{at}.maxAsyncEventAgeInSeconds", 1, 604800),
        on_success=_destination(targets["onSuccess"], f"{at}.onSuccess"),
        on_failure=_destination(targets["onFailure"], f"{at}.onFailure"),
        task=task,
    )


def _destination(target: Mapping[str, Any], at: str) -> str:
    """Return the ARN of a destination, "" for none. Raises BadConfiguration for one that gets no records here."""
    arn = str(target.get("destination") or "")
    if arn and not DESTINATION.fullmatch(arn):
        known = "acs:mns:REGION:ACCOUNT:/queues/Q/messages, acs:mns:REGION:ACCOUNT:/topics/T/messages, acs:fc:..."
        raise BadConfiguration(f"{at}.destination {arn!r} is not supported here; supported: {known}")
    return arn


def parse_concurrency(document: Mapping[str, Any]) -> int:
    """Return the reserved concurrency of PutConcurrencyConfig. Raises BadConfiguration."""
    return _integer(document.get("reservedConcurrency"), "reservedConcurrency", 0, 1_000_000)


def parse_alias(document: Mapping[str, Any]) -> FunctionAlias:
    """Return the alias of a document; the versions need not exist. Raises BadConfiguration."""
    name, version = (str(document.get(key) or "") for key in ("aliasName", "versionId"))
    check_name("aliasName", name)
    if name == LATEST or not version:
        raise BadConfiguration(f"alias {name!r}: needs a name other than {LATEST}, and versionId")
    weights = _mapping(document.get("additionalVersionWeight"), "additionalVersionWeight")
    numbers = [weight for weight in weights.values() if isinstance(weight, int | float) and 0 <= weight <= 1]
    if len(numbers) < len(weights) or sum(numbers) > 1:
        raise BadConfiguration(f"additionalVersionWeight {weights}: write numbers from 0 to 1, at most 1 in all")
    return FunctionAlias(name, version, str(document.get("description") or ""), dict(weights))


def check_name(field: str, name: str) -> None:
    """Raise BadConfiguration unless a text may be the name of a function, a trigger or an alias."""
    if not NAME.fullmatch(name):
        rule = "letters, digits, _ and -, no digit or - first, at most 128 characters"
        raise BadConfiguration(f"{field} {name!r}: {rule}")


def parse_trigger(function: str, document: Mapping[str, Any], at: str) -> Trigger:
    """Return a trigger of a function; its configuration may be a JSON string. Raises BadConfiguration."""
    _check_keys(document, TRIGGER_FIELDS, at)
    parsers: Mapping[str, tuple[Callable[[str, Mapping[str, Any], Mapping[str, Any], str], Trigger], set[str]]] = {
        "oss": (_object_trigger, {"events", "filter"}),
        "mns_topic": (_topic_trigger, {"notifyContentFormat", "notifyStrategy", "filterTag"}),
        "timer": (_timer_trigger, {"cronExpression", "enable", "payload"}),
    }
    if (kind := str(document.get("triggerType"))) not in parsers:
        raise BadConfiguration(f"{at}: trigger type {kind!r} is unknown here; known: {', '.join(parsers)}")
    if not document.get("triggerName"):
        raise BadConfiguration(f"{at}: triggerName is missing; give the trigger a name")
    parse, known = parsers[kind]
    config = _decoded(document.get("triggerConfig") or {}, f"{at}.triggerConfig")
    _check_keys(config, known, f"{at}.triggerConfig")
    return parse(function, document, config, at)


def check_bucket_triggers(triggers: Iterable[Trigger]) -> None:
    """Raise BadConfiguration if OSS would reject triggers: at most ten per bucket, no two that match the same event."""
    on_objects = sorted((t for t in triggers if isinstance(t, ObjectTrigger)), key=lambda trigger: trigger.bucket)
    for bucket, group in itertools.groupby(on_objects, key=lambda trigger: trigger.bucket):
        of_bucket = list(group)
        if len(of_bucket) > MAX_TRIGGERS_PER_BUCKET:
            allowed = f"OSS allows {MAX_TRIGGERS_PER_BUCKET}"
            raise BadConfiguration(f"bucket {bucket} has {len(of_bucket)} triggers; {allowed}")
        for one, other in itertools.combinations(of_bucket, 2):
            if _overlap(one, other):
                raise BadConfiguration(
                    f"triggers {one.name} and {other.name} would both match an event, which OSS rejects: "
                    "make their events, prefixes or suffixes differ"
                )


def _hook(hooks: Mapping[str, Any], name: str, at: str) -> LifecycleHook | None:
    hook = _mapping(hooks.get(name), f"{at}.{name}")
    if not hook.get("handler"):
        return None
    # FC "Limits" (2026-06): an initializer has 300 s, preStop 90 s.
    longest = 300 if name == "initializer" else 90
    return LifecycleHook(str(hook["handler"]), _integer(hook.get("timeout", 30), f"{at}.{name}.timeout", 1, longest))


def _object_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> ObjectTrigger:
    events = config.get("events") or []
    if not isinstance(events, list) or (unknown := sorted({str(event) for event in events} - OSS_EVENTS)):
        known = ", ".join(sorted(OSS_EVENTS))
        found = ", ".join(unknown) if isinstance(events, list) else repr(events)
        raise BadConfiguration(f"{at}: event {found} is unknown; known: {known}")
    key = _mapping(_mapping(config.get("filter"), f"{at}.filter").get("key"), f"{at}.filter.key")
    if not events or set(key) != {"prefix", "suffix"}:
        raise BadConfiguration(f"{at}: needs events and filter: {{key: {{prefix: ..., suffix: ...}}}}, both keys")
    bucket = str(spec.get("sourceArn") or "").rpartition(":")[2]
    prefix, suffix = (str(key[name] or "") for name in ("prefix", "suffix"))
    return ObjectTrigger(function, spec["triggerName"], bucket, tuple(events), prefix, suffix, **_options(spec))


def _topic_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> TopicTrigger:
    form = _choice(config, "notifyContentFormat", ("STREAM", "JSON"), at)
    strategy = _choice(config, "notifyStrategy", STRATEGIES, at)
    topic = str(spec.get("sourceArn") or "").rpartition("/topics/")[2]
    tag = str(config.get("filterTag") or "")
    return TopicTrigger(function, spec["triggerName"], topic, form, strategy, tag, **_options(spec))


def _timer_trigger(function: str, spec: Mapping[str, Any], config: Mapping[str, Any], at: str) -> TimerTrigger:
    expression = str(config.get("cronExpression", ""))
    try:
        Schedule.parse(expression)
    except BadSchedule as error:
        raise BadConfiguration(f"{at}: {error}") from error
    payload, enabled = str(config.get("payload") or ""), bool(config.get("enable", True))
    options = _options(spec)
    del options["role"]
    return TimerTrigger(function, spec["triggerName"], expression, payload, enabled, **options)


def _options(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what triggers of all types have, by the names of their attributes."""
    return {
        "role": str(spec.get("invocationRole") or ""),
        "description": str(spec.get("description") or ""),
        "qualifier": str(spec.get("qualifier") or LATEST),
    }


def _overlap(one: ObjectTrigger, other: ObjectTrigger) -> bool:
    """Return True if an event could match both triggers."""
    events = any(event_matches(a, b) or event_matches(b, a) for a in one.events for b in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes


def _choice(config: Mapping[str, Any], name: str, known: Sequence[str], at: str) -> str:
    """Return an option, by default the first known value. Raises BadConfiguration for an unknown value."""
    if (value := config.get(name, known[0])) not in known:
        raise BadConfiguration(f"{at}: {name} {value!r} is unknown; known: {', '.join(known)}")
    return str(value)


def _integer(value: object, at: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadConfiguration(f"{at} is {value!r}; write an integer from {low} to {high}")
    return value


def _mapping(value: object, at: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise BadConfiguration(f"{at} is {value!r}; write a mapping")
    return cast("Mapping[str, Any]", value or {})


def _decoded(value: object, at: str) -> Any:
    """Return a value, or what its JSON string means."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise BadConfiguration(f"{at} is a string and not valid JSON: {error}") from error


def _check_keys(spec: Any, known: Iterable[str], at: str) -> None:
    if not isinstance(spec, Mapping):
        raise BadConfiguration(f"{at}: must be a mapping with {', '.join(sorted(known))}")
    if unknown := sorted(set(spec) - set(known)):
        raise BadConfiguration(f"{at}: {', '.join(unknown)} is unknown; known: {', '.join(sorted(known))}")
