"""Configurations of functions, triggers, and invocations: plain values without behaviour."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.ram.credentials import Credential

LATEST = "LATEST"  # the qualifier of the version that is not published


@dataclass(frozen=True)
class LifecycleHook:
    """An instance lifecycle hook: its handler and its timeout in seconds."""

    handler: str
    timeout: int = 30


@dataclass(frozen=True)
class AsyncConfig:
    """The retries and destinations of asynchronous invocations; defaults as in PutAsyncInvokeConfig.

    `task`: each is an asynchronous task, whose states are kept.
    """

    retries: int = 3
    max_age_seconds: int = 86400
    on_success: str = ""
    on_failure: str = ""
    task: bool = False
    created: datetime | None = None
    modified: datetime | None = None


DEFAULT_ASYNC = AsyncConfig()


@dataclass(frozen=True)
class FunctionCode:
    """The code of a function.

    `paths` is the code directory, followed by other directories to import from; `size` is that of the package in bytes,
    `checksum` its CRC-64/ECMA. A `built` function brings its packages and runs with `python`.
    """

    paths: tuple[Path, ...]
    size: int = 0
    checksum: str = ""
    built: bool = False
    python: str = ""


@dataclass(frozen=True)
class CodeUpload:
    """Where a client may upload one code package, and the temporary access key for it."""

    bucket: str
    key: str
    credential: Credential
    expires: datetime


@dataclass(frozen=True)
class FunctionConfig:
    """A function as it is deployed.

    `code` is the code directory, followed by other directories to import from. `timeout` is in seconds, `memory` in MB.
    A `built` function brings its packages: it sees none of the local cloud's and writes no bytecode. `python` is its
    interpreter if that differs from the one in `FcSettings`. `asynchronous` is None without a configuration of its own.
    `document`: the fields with which it was created, also those that have no effect on one machine. `version` is
    `LATEST`, or the number of a published version, whose description is `version_description`.
    """

    name: str
    handler: str
    code: tuple[Path, ...]
    runtime: str = "python3.10"
    timeout: int = 3
    memory: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    description: str = ""
    log_project: str = ""
    log_store: str = ""
    initializer: LifecycleHook | None = None
    pre_stop: LifecycleHook | None = None
    asynchronous: AsyncConfig | None = None
    built: bool = False
    python: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    code_size: int = 0
    code_checksum: str = ""
    created: datetime | None = None
    modified: datetime | None = None
    version: str = LATEST
    version_description: str = ""


@dataclass(frozen=True)
class FunctionAlias:
    """A name for a published version; `weights` are the shares, from 0 to 1, of other versions in the invocations."""

    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True)
class FcSettings:
    """What all functions share; `time_scale` divides the delays of retries and timers."""

    account_id: str
    region: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    time_scale: float = 1.0
    # Ours, for one machine: more would wait for a processor. FC gives an account 100 instances in a region.
    max_instances: int = min(2 * (os.cpu_count() or 1) + 1, 10)


@dataclass(frozen=True)
class AsyncInvocation:
    """An asynchronous invocation that is not finished.

    `attempt` counts from 0; `due` and `accepted` are seconds since 1970. `qualifier` is a version or an alias.
    `task_id` is empty for an invocation that is no task.
    """

    request_id: str
    function: str
    payload: bytes = field(repr=False)
    attempt: int
    due: float
    accepted: float
    qualifier: str = LATEST
    task_id: str = ""


@dataclass(frozen=True)
class InvocationResult:
    """The result of an invocation. `error_type` is empty if the function returned normally."""

    request_id: str
    payload: bytes
    error_type: str = ""
    log_tail: bytes = b""
    duration_ms: int = 0
    memory_mb: float = 0.0
    instance_id: str = ""
    version: str = LATEST
    code_checksum: str = ""


@dataclass(frozen=True, kw_only=True)
class TriggerOptions:
    """What triggers of all types have. A trigger that s.yaml declares has neither id nor times."""

    description: str = ""
    qualifier: str = LATEST
    id: str = ""
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True)
class ObjectTrigger(TriggerOptions):
    """Invokes a function for events of objects; event names as in the configuration, `oss:...`.

    `role`, here and in `TopicTrigger`, is the ARN of the role with which the source invokes.
    """

    function: str
    name: str
    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    role: str = ""


@dataclass(frozen=True)
class TopicTrigger(TriggerOptions):
    """Invokes a function for every message of a topic."""

    function: str
    name: str
    topic: str
    content_format: str = "STREAM"
    strategy: str = "BACKOFF_RETRY"
    filter_tag: str = ""
    role: str = ""


@dataclass(frozen=True)
class TimerTrigger(TriggerOptions):
    """Invokes a function at times: `@every 5m`, or six cron fields."""

    function: str
    name: str
    expression: str
    payload: str = ""
    enabled: bool = True


Trigger = ObjectTrigger | TopicTrigger | TimerTrigger


def event_matches(pattern: str, event: str) -> bool:
    """Return True if a configured event name, which may end in `*`, matches an event."""
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))


def function_of(arn: str) -> str:
    """Return the function's name in its ARN, which may have a service, a qualifier and a path."""
    return arn.rpartition("functions/")[2].partition("/")[0].partition(".")[0]


def qualifier_of(arn: str) -> str:
    """Return the qualifier in a function's ARN, `functions/NAME/QUALIFIER`; LATEST if it has none."""
    return arn.rpartition("functions/")[2].partition("/")[2] or LATEST


def function_arn(name: str, settings: FcSettings, qualifier: str = LATEST) -> str:
    """Return the ARN of a function, with a qualifier other than LATEST as FC's RAM page writes it (read 2026-11)."""
    suffix = "" if qualifier == LATEST else f"/{qualifier}"
    return f"acs:fc:{settings.region}:{settings.account_id}:functions/{name}{suffix}"
