"""What the doctor knows of a deployment, and the protocol by which it inspects a cloud. Values without I/O."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from clipstitch.common.errors import AccessDenied, InvalidSettings
from clipstitch.usecases.settings import Settings

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment


class AccessKeyRejected(AccessDenied):
    """The cloud does not accept the access key at all."""

    code = "ACCESS_KEY_REFUSED"
    remedy = "Set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN) to a key of this account."


class RegionMismatch(InvalidSettings):
    """An endpoint or a bucket is in another region than OSS_REGION, for which requests are signed."""

    code = "OTHER_REGION"

    def __init__(self, message: str, region: str) -> None:
        super().__init__(message)
        self.region = region


class BucketFacts(NamedTuple):
    """A bucket. `versioning` is "", Enabled or Suspended."""

    name: str
    region: str
    versioning: str = ""


class StackFacts(NamedTuple):
    """A ROS stack: its name, its status as ROS writes it, and the reason of the status."""

    name: str
    status: str
    reason: str = ""


class QueueFacts(NamedTuple):
    """A queue. `messages`: how many it has, hidden ones included; `since`: when the oldest visible one was sent."""

    name: str
    messages: int = 0
    since: datetime | None = None


class TriggerFacts(NamedTuple):
    """A trigger. `config`: the settings of its type; `role`: the ARN of the role that its source uses."""

    name: str
    kind: str
    source: str
    config: Mapping[str, Any] = MappingProxyType({})
    role: str = ""

    @property
    def bucket(self) -> str:
        """The bucket of an OSS trigger; "" for other types."""
        return self.source.rpartition(":")[2] if self.kind == "oss" else ""

    @property
    def events(self) -> tuple[str, ...]:
        """The events of an OSS trigger, sorted."""
        return tuple(sorted(self.config.get("events") or ()))

    @property
    def prefix(self) -> str:
        """The key prefix of an OSS trigger."""
        return self._key_filter("prefix")

    @property
    def suffix(self) -> str:
        """The key suffix of an OSS trigger."""
        return self._key_filter("suffix")

    def _key_filter(self, name: str) -> str:
        key = (self.config.get("filter") or {}).get("key") or {}
        return str(key.get(name) or "")


class FunctionFacts(NamedTuple):
    """A function as declared, or as deployed. `on_failure`: the ARN of its failure destination."""

    name: str
    runtime: str = ""
    role: str = ""
    environment: Mapping[str, str] = MappingProxyType({})
    on_failure: str = ""
    triggers: tuple[TriggerFacts, ...] = ()


class OpenJob(NamedTuple):
    """An open job. `late`: for how long its deadline has passed; `pending`: sinks, if only deliveries are left."""

    id: str
    uploaded: datetime
    late: timedelta | None = None
    pending: tuple[str, ...] = ()


class Inspector(Protocol):
    """Inspects a cloud. Every method may raise a `ClipstitchError`."""

    def clock_skew(self) -> timedelta:
        """Return how far this machine's clock is ahead of the cloud's."""

    def bucket(self, name: str) -> BucketFacts | None:
        """Return a bucket; None if it does not exist. Raises AccessKeyRejected, RegionMismatch."""

    def stack(self, name: str) -> StackFacts | None:
        """Return a ROS stack; None if it does not exist."""

    def list_one(self, bucket: str) -> None:
        """List at most one object of a bucket: a data call. Raises PublicEndpointForbidden."""

    def imm_project(self, bucket: str) -> str | None:
        """Return the IMM project that a bucket is bound to; None if there is none."""

    def has_topic(self, name: str) -> bool:
        """Return True if a topic exists."""

    def queue(self, name: str) -> QueueFacts | None:
        """Return a queue; None if it does not exist."""

    def function(self, name: str) -> FunctionFacts | None:
        """Return a function with its triggers; None if it does not exist."""

    def open_jobs(self) -> list[OpenJob]:
        """Return all open jobs, oldest first."""

    def switched_off_sinks(self) -> list[str]:
        """Return the URIs of the objects that switch sinks off."""


class ExpectedDeployment(NamedTuple):
    """What the settings and the deployment files declare.

    `functions` is empty if the files cannot be read; `files_error` is the reason. `stack` is the name of the ROS stack.
    `not_inspected`: why FC, IMM or ROS, by name, cannot be inspected.
    """

    settings: Settings
    key_id: str
    functions: tuple[FunctionFacts, ...] = ()
    dead_letter_queue: str = ""
    files_error: str = ""
    not_inspected: Mapping[str, str] = MappingProxyType({})
    stack: str = "clipstitch"


def declared_functions(deployment: "Deployment") -> tuple[FunctionFacts, ...]:
    """Return the functions that a project declares, as FC would describe them."""
    from localyun.fc.configuration import async_document, function_document, trigger_document  # noqa: PLC0415
    from localyun.fc.values import DEFAULT_ASYNC, FcSettings  # noqa: PLC0415 - only where it is needed

    site = FcSettings(deployment.account_id, deployment.region)
    return tuple(
        parse_function(
            function_document(config, site),
            async_document(config.name, config.asynchronous or DEFAULT_ASYNC, site),
            [trigger_document(t, site, as_string=False) for t in deployment.triggers if t.function == config.name],
        )
        for config in deployment.functions
    )


def parse_function(
    document: Mapping[str, Any], async_config: Mapping[str, Any], triggers: Sequence[Mapping[str, Any]]
) -> FunctionFacts:
    """Parse the documents of FC's API 2023-03-30: GetFunction, GetAsyncInvokeConfig, ListTriggers."""
    on_failure = (async_config.get("destinationConfig") or {}).get("onFailure") or {}
    return FunctionFacts(
        name=str(document["functionName"]),
        runtime=str(document.get("runtime") or ""),
        role=str(document.get("role") or ""),
        environment=dict(document.get("environmentVariables") or {}),
        on_failure=str(on_failure.get("destination") or ""),
        triggers=tuple(map(_parse_trigger, triggers)),
    )


def _parse_trigger(document: Mapping[str, Any]) -> TriggerFacts:
    """Parse a trigger; its configuration is a string in API 2023-03-30, an object in the older API."""
    config = document.get("triggerConfig") or {}
    names = ("triggerName", "triggerType", "sourceArn", "invocationRole")
    name, kind, source, role = (str(document.get(name) or "") for name in names)
    return TriggerFacts(name, kind, source, json.loads(config) if isinstance(config, str) else config, role)
