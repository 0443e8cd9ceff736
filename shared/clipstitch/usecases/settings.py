"""Configuration, read once from an environment that is passed in. One error names everything missing or wrong."""

import re
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from clipstitch.common.errors import InvalidSettings
from clipstitch.common.ports import Webhook
from clipstitch.jobs.job import RESULT_SINK
from clipstitch.jobs.webhook_policy import read_webhook
from clipstitch.manifest.model import Limits

REQUIRED = ("OSS_ENDPOINT", "OSS_REGION", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "CLIPSTITCH_COMPLETION_TOPIC")
SINK_KINDS = ("topic", "queue", "webhook")


class Sink(NamedTuple):
    """Somewhere that events go: `kind` is topic, queue or webhook, `target` its name in SMQ, or among the settings."""

    name: str
    kind: str
    target: str


class Settings(NamedTuple):
    """What the operator configured. Prefixes end in a slash; lists in the environment are separated by blanks."""

    oss_endpoint: str
    oss_region: str
    mns_endpoint: str
    bucket: str
    completion_topic: str
    sinks: tuple[Sink, ...] = ()
    state_bucket: str | None = None
    state_prefix: str = "_clipstitch/"
    manifest_prefix: str = "manifests/"
    result_prefix: str = "results/"
    output_buckets: tuple[str, ...] = ()
    output_prefixes: tuple[str, ...] = ("",)
    source_prefixes: tuple[str, ...] = ("",)
    max_clips: int = 2000
    max_retries: int = 3
    grace_period_s: int = 120
    deadline_s: int = 6 * 3600
    search_window_s: int = 24 * 3600
    search_keys: int = 10_000
    sweep_budget_s: int = 200
    imm_endpoint: str | None = None
    imm_project: str | None = None
    webhooks: tuple[Webhook, ...] = ()
    webhook_allow_private: bool = False

    @property
    def limits(self) -> Limits:
        """What a manifest may ask for."""
        return Limits(
            output_buckets=self.output_buckets,
            output_prefixes=self.output_prefixes,
            source_prefixes=self.source_prefixes,
            reserved=(self.manifest_prefix, self.state_prefix, self.result_prefix),
            sinks=self.sink_names,
            max_clips=self.max_clips,
        )

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The names that a manifest may choose among."""
        return tuple(sink.name for sink in self.sinks)

    def sink(self, name: str) -> Sink | None:
        """Return a configured sink; None when the operator has removed it since."""
        return next((sink for sink in self.sinks if sink.name == name), None)

    def webhook(self, target: str) -> Webhook | None:
        """Return where a webhook sink posts to."""
        return next((hook for hook in self.webhooks if hook.name == target), None)


def read_settings(env: Mapping[str, str]) -> Settings:
    """Build settings from an environment; `InvalidSettings` names every variable that is missing or wrong."""
    problems = [f"{name} is not set" for name in REQUIRED if not env.get(name)]
    sinks = _sinks(env.get("CLIPSTITCH_SINKS", ""), problems)
    allow_private = _switch("CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE", env, problems)
    targets = dict.fromkeys(sink.target for sink in sinks if sink.kind == "webhook")
    hooks = [read_webhook(target, env, problems, allow_private=allow_private) for target in targets]
    prefixes = {
        name: _prefix(f"CLIPSTITCH_{name.upper()}", env.get(f"CLIPSTITCH_{name.upper()}", default), problems)
        for name, default in (
            ("state_prefix", "_clipstitch/"),
            ("manifest_prefix", "manifests/"),
            ("result_prefix", "results/"),
        )
    }
    problems += [
        f"the prefixes {one!r} and {other!r} lie in each other, so that we would trigger ourselves"
        for one, other in combinations(prefixes.values(), 2)
        if one.startswith(other) or other.startswith(one)
    ]
    numbers = {name: _number(f"CLIPSTITCH_{name.upper()}", env, default, problems) for name, default in _NUMBERS}
    if problems:
        raise InvalidSettings("; ".join(problems))
    return Settings(
        oss_endpoint=env["OSS_ENDPOINT"],
        oss_region=env["OSS_REGION"],
        mns_endpoint=env["MNS_ENDPOINT"],
        bucket=env["CLIPSTITCH_BUCKET"],
        completion_topic=env["CLIPSTITCH_COMPLETION_TOPIC"],
        sinks=sinks,
        state_bucket=env.get("CLIPSTITCH_STATE_BUCKET") or None,
        output_buckets=tuple(env.get("CLIPSTITCH_OUTPUT_BUCKETS", "").split()),
        output_prefixes=tuple(env.get("CLIPSTITCH_OUTPUT_PREFIXES", "").split()) or ("",),
        source_prefixes=tuple(env.get("CLIPSTITCH_SOURCE_PREFIXES", "").split()) or ("",),
        imm_endpoint=env.get("IMM_ENDPOINT") or None,
        imm_project=env.get("CLIPSTITCH_IMM_PROJECT") or None,
        webhooks=tuple(hook for hook in hooks if hook),
        webhook_allow_private=allow_private,
        max_clips=numbers["max_clips"],
        max_retries=numbers["max_retries"],
        grace_period_s=numbers["grace_period_s"],
        deadline_s=numbers["deadline_s"],
        search_window_s=numbers["search_window_s"],
        search_keys=numbers["search_keys"],
        sweep_budget_s=numbers["sweep_budget_s"],
        state_prefix=prefixes["state_prefix"],
        manifest_prefix=prefixes["manifest_prefix"],
        result_prefix=prefixes["result_prefix"],
    )


# Counts and seconds, with their defaults.
_NUMBERS = (
    ("max_clips", 2000),
    ("max_retries", 3),
    ("grace_period_s", 120),
    ("deadline_s", 6 * 3600),
    ("search_window_s", 24 * 3600),
    ("search_keys", 10_000),
    ("sweep_budget_s", 200),
)


def _number(name: str, env: Mapping[str, str], default: int, problems: list[str]) -> int:
    """Return a whole number."""
    text = env.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,7}", text):
        problems.append(f"{name}={text!r} must be a whole number of at most seven digits")
        return default
    return int(text)


def _switch(name: str, env: Mapping[str, str], problems: list[str]) -> bool:
    """Return whether something is switched on; it is not unless somebody says so."""
    text = env.get(name) or "false"
    if text not in ("true", "false"):
        problems.append(f"{name}={text!r} must be true or false")
    return text == "true"


def _prefix(name: str, value: str, problems: list[str]) -> str:
    """Return a prefix; it must end in a slash, or it would match keys beside it."""
    if not value.endswith("/") or value.startswith("/"):
        problems.append(f"{name}={value!r} must end, and not begin, with a slash")
    return value


def _sinks(text: str, problems: list[str]) -> tuple[Sink, ...]:
    """Read `name=kind:target` items; names must be unique, and `result` is taken."""
    sinks: list[Sink] = []
    for item in text.split():
        name, _, rest = item.partition("=")
        kind, _, target = rest.partition(":")
        if not (name and target) or kind not in SINK_KINDS:
            problems.append(
                f"CLIPSTITCH_SINKS has {item!r}; write name=topic:NAME, name=queue:NAME or name=webhook:NAME"
            )
        elif name == RESULT_SINK or name in {sink.name for sink in sinks}:
            problems.append(f"CLIPSTITCH_SINKS has the name {name!r} twice, or it is taken ({RESULT_SINK})")
        else:
            sinks.append(Sink(name, kind, target))
    return tuple(sinks)
