"""Settings, read once from an environment that is passed in. One error names everything that is missing or invalid."""

import hashlib
import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal, NamedTuple, get_args

from clipstitch.common.audio_formats import ENGINES
from clipstitch.common.errors import InvalidSettings
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Webhook
from clipstitch.jobs.job import RESULT_SINK, Decision
from clipstitch.jobs.webhook_policy import read_webhook
from clipstitch.manifest.model import MANIFEST_PREFIX, MAX_CLIPS, RESULT_PREFIX, STATE_PREFIX, Limits
from clipstitch.manifest.object_keys import MAX_KEY_BYTES

SinkKind = Literal["topic", "queue", "webhook"]
SINK_KINDS: tuple[SinkKind, ...] = get_args(SinkKind)


class Sink(NamedTuple):
    """A destination of events. `target` is its name in SMQ or, for a webhook, in the settings."""

    name: str
    kind: SinkKind
    target: str


class Settings(NamedTuple):
    """The configuration of the operator. Prefixes end in a slash; lists in the environment are separated by spaces."""

    oss_endpoint: str
    oss_region: str
    mns_endpoint: str
    bucket: str
    completion_topic: str
    sinks: tuple[Sink, ...] = ()
    state_bucket: str | None = None
    state_prefix: str = STATE_PREFIX
    manifest_prefix: str = MANIFEST_PREFIX
    result_prefix: str = RESULT_PREFIX
    output_buckets: tuple[str, ...] = ()
    output_prefixes: tuple[str, ...] = ("",)
    source_prefixes: tuple[str, ...] = ("",)
    max_clips: int = MAX_CLIPS
    max_retries: int = 3
    grace_period_s: int = 120
    deadline_s: int = 6 * 3600
    search_window_s: int = 24 * 3600
    sweep_budget_s: int = 200
    imm_endpoint: str | None = None
    imm_project: str | None = None
    fc_endpoint: str | None = None
    render_function: str | None = None
    engine: str = "auto"
    webhooks: tuple[Webhook, ...] = ()
    webhook_allow_private: bool = False
    strict: bool = False

    @property
    def limits(self) -> Limits:
        """The limits of what a manifest may ask for."""
        return Limits(
            output_buckets=self.output_buckets,
            output_prefixes=self.output_prefixes,
            source_prefixes=self.source_prefixes,
            reserved=(self.manifest_prefix, self.state_prefix, self.result_prefix),
            sinks=self.sink_names,
            max_clips=self.max_clips,
            strict=self.strict,
        )

    @property
    def state_bucket_name(self) -> str:
        """The bucket that holds the facts: the state bucket, or that of the manifests if there is none."""
        return self.state_bucket or self.bucket

    def result_ref(self, manifest: ObjectRef) -> ObjectRef:
        """Return the object that receives the event of a manifest's newest job.

        If its key would be too long, it has the SHA-256 of the manifest's key in place of that.
        """
        key = f"{self.result_prefix}{manifest.key}.json"
        if len(key.encode()) > MAX_KEY_BYTES:
            key = f"{self.result_prefix}{hashlib.sha256(manifest.key.encode()).hexdigest()}.json"
        return ObjectRef(manifest.bucket, key)

    def result_of(self, decision: Decision) -> ObjectRef:
        """Return the result object of a decided job: where it was when the decision was recorded."""
        return decision.result_object or self.result_ref(decision.manifest.ref)

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The names that a manifest may choose from."""
        return tuple(sink.name for sink in self.sinks)

    def sink(self, name: str) -> Sink | None:
        """Return the sink of that name; None if the operator has removed it."""
        return next((sink for sink in self.sinks if sink.name == name), None)

    def webhook(self, target: str) -> Webhook:
        """Return the receiver of a webhook sink."""
        return next(webhook for webhook in self.webhooks if webhook.name == target)


_DEFAULTS: Mapping[str, Any] = Settings._field_defaults
REQUIRED = {
    name.removeprefix("CLIPSTITCH_").lower(): name
    for name in ("OSS_ENDPOINT", "OSS_REGION", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "CLIPSTITCH_COMPLETION_TOPIC")
}
_PREFIXES = ("state_prefix", "manifest_prefix", "result_prefix")
_LISTS = ("output_buckets", "output_prefixes", "source_prefixes")
_NAMES = {
    "state_bucket": "CLIPSTITCH_STATE_BUCKET",
    "imm_endpoint": "IMM_ENDPOINT",
    "imm_project": "CLIPSTITCH_IMM_PROJECT",
    "fc_endpoint": "FC_ENDPOINT",
    "render_function": "CLIPSTITCH_RENDER_FUNCTION",
}
_NUMBERS = tuple(name for name, default in _DEFAULTS.items() if type(default) is int)


def read_settings(env: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; raise `InvalidSettings`, which names every missing or invalid variable."""
    errors = [f"{name} is not set" for name in REQUIRED.values() if not env.get(name)]
    sinks = _sinks(env.get("CLIPSTITCH_SINKS", ""), errors)
    strict = _boolean("CLIPSTITCH_STRICT", env, errors)
    engine = env.get("CLIPSTITCH_ENGINE") or _DEFAULTS["engine"]
    if engine not in ENGINES:
        errors.append(f"CLIPSTITCH_ENGINE={engine!r} is none of {', '.join(ENGINES)}")
    if env.get("CLIPSTITCH_RENDER_FUNCTION") and not env.get("FC_ENDPOINT"):
        errors.append("CLIPSTITCH_RENDER_FUNCTION is set, but FC_ENDPOINT is not")
    allow_private = _boolean("CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE", env, errors)
    targets = dict.fromkeys(sink.target for sink in sinks if sink.kind == "webhook")
    webhooks = [read_webhook(target, env, errors, allow_private=allow_private) for target in targets]
    prefixes = {name: _prefix(_variable(name), env, _DEFAULTS[name], errors) for name in _PREFIXES}
    errors += [
        f"one of the prefixes {one!r} and {other!r} contains the other, so that the functions would trigger themselves"
        for one, other in combinations(prefixes.values(), 2)
        if one.startswith(other) or other.startswith(one)
    ]
    numbers = {name: _number(_variable(name), env, _DEFAULTS[name], errors) for name in _NUMBERS}
    if errors:
        raise InvalidSettings("; ".join(errors))
    values: dict[str, Any] = {
        **{field: env[name] for field, name in REQUIRED.items()},
        **{field: env.get(name) or None for field, name in _NAMES.items()},
        **{field: _list(field, env) or _DEFAULTS[field] for field in _LISTS},
        **prefixes,
        **numbers,
    }
    found = tuple(webhook for webhook in webhooks if webhook)
    values |= {"webhook_allow_private": allow_private, "strict": strict, "engine": engine}
    return Settings(**values, sinks=sinks, webhooks=found)


def _variable(field: str) -> str:
    return f"CLIPSTITCH_{field.upper()}"


def _list(field: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the items of a list. `*` among prefixes means any; the bucket itself is no further bucket."""
    items = env.get(_variable(field), "").split()
    if field.endswith("_prefixes"):
        return tuple("" if item == "*" else item for item in items)
    return tuple(item for item in items if item != env.get(REQUIRED["bucket"]))


def _number(name: str, env: Mapping[str, str], default: int, errors: list[str]) -> int:
    text = env.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,7}", text):
        errors.append(f"{name}={text!r} must be an integer of at most seven digits")
        return default
    return int(text)


def _boolean(name: str, env: Mapping[str, str], errors: list[str]) -> bool:
    text = env.get(name) or "false"
    if text not in ("true", "false"):
        errors.append(f"{name}={text!r} must be true or false")
    return text == "true"


def _prefix(name: str, env: Mapping[str, str], default: str, errors: list[str]) -> str:
    """Return a prefix. It must end in a slash, or it would match other keys that begin alike."""
    value = env.get(name, default)
    if not value.endswith("/") or value.startswith("/"):
        errors.append(f"{name}={value!r} must end with a slash and must not begin with one")
    return value


def _sinks(text: str, errors: list[str]) -> tuple[Sink, ...]:
    """Parse `name=kind:target` items. Names must be unique; `result` is reserved."""
    sinks: list[Sink] = []
    for item in text.split():
        name, _, rest = item.partition("=")
        kind, _, target = rest.partition(":")
        if not (name and target) or kind not in SINK_KINDS:
            errors.append(f"CLIPSTITCH_SINKS has {item!r}; write name=topic:NAME, name=queue:NAME or name=webhook:NAME")
        elif name == RESULT_SINK:
            errors.append(f"CLIPSTITCH_SINKS has the name {name!r}, which is reserved for the result object")
        elif name in {sink.name for sink in sinks}:
            errors.append(f"CLIPSTITCH_SINKS has the duplicate name {name!r}")
        else:
            sinks.append(Sink(name, kind, target))
    return tuple(sinks)
