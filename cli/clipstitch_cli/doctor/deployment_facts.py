"""What a doctor knows of a deployment, and what it asks a cloud: plain values. `asking` makes the real calls."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from clipstitch.common.errors import AccessDenied, InvalidSettings
from clipstitch.usecases.settings import Settings

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment


class KeyRefused(AccessDenied):
    """The cloud does not take the access key at all."""

    code = "ACCESS_KEY_REFUSED"
    remedy = "Set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN) to a key of this account."


class OtherRegion(InvalidSettings):
    """An endpoint serves another region than the one that requests are signed for, or that a bucket lies in."""

    code = "OTHER_REGION"

    def __init__(self, message: str, region: str) -> None:
        super().__init__(message)
        self.region = region


class Bucket(NamedTuple):
    """A bucket. `versioning` is "", Enabled or Suspended."""

    name: str
    region: str
    versioning: str = ""


class Queue(NamedTuple):
    """A queue. `letters`: how many messages it has, hidden ones too; `since`: when one of those in sight came."""

    name: str
    letters: int = 0
    since: datetime | None = None


class Trigger(NamedTuple):
    """A trigger of a function. `config` is what its type knows; `role` is the ARN that its source invokes with."""

    name: str
    kind: str
    source: str
    config: Mapping[str, Any] = MappingProxyType({})
    role: str = ""

    @property
    def bucket(self) -> str:
        """The bucket that it watches; "" for other types."""
        return self.source.rpartition(":")[2] if self.kind == "oss" else ""

    @property
    def events(self) -> tuple[str, ...]:
        """The events that it waits for, sorted."""
        return tuple(sorted(self.config.get("events") or ()))

    @property
    def prefix(self) -> str:
        """What the keys begin with that it waits for."""
        return str(self._key.get("prefix") or "")

    @property
    def suffix(self) -> str:
        """What the keys end with that it waits for."""
        return str(self._key.get("suffix") or "")

    @property
    def _key(self) -> Mapping[str, Any]:
        return (self.config.get("filter") or {}).get("key") or {}


class Function(NamedTuple):
    """A function as it is declared, or as it is deployed. `on_failure` is where events go that it failed on."""

    name: str
    runtime: str = ""
    role: str = ""
    environment: Mapping[str, str] = MappingProxyType({})
    on_failure: str = ""
    triggers: tuple[Trigger, ...] = ()


class OpenJob(NamedTuple):
    """A job with work left. `late`: how long its deadline is over, if it is; `owed`: it waits for these sinks only."""

    id: str
    uploaded: datetime
    late: timedelta | None = None
    pending: tuple[str, ...] = ()


class Questions(Protocol):
    """What a doctor asks a cloud. Everything may raise a `ClipstitchError`."""

    def skew(self) -> timedelta:
        """Say how far our clock is ahead of the cloud's."""
        ...

    def bucket(self, name: str) -> Bucket | None:
        """Look at a bucket; `KeyRefused`, `OtherRegion`."""
        ...

    def project_of(self, bucket: str) -> str | None:
        """Name the IMM project that a bucket is attached to."""
        ...

    def has_topic(self, name: str) -> bool:
        """Say whether there is such a topic."""
        ...

    def queue(self, name: str) -> Queue | None:
        """Look at a queue."""
        ...

    def function(self, name: str) -> Function | None:
        """Look at a function with its triggers."""
        ...

    def open_jobs(self) -> list[OpenJob]:
        """Look at all open jobs, oldest first."""
        ...

    def switched_off(self) -> list[str]:
        """Name the objects that say that a sink is switched off, as URIs."""
        ...


class Wanted(NamedTuple):
    """How things are meant to be: by the settings, and by the deployment's files.

    `functions` are empty where the files cannot be read, and then `unread` says why. `unasked` says why a service
    cannot be asked, by its name: FC, IMM.
    """

    settings: Settings
    key_id: str
    functions: tuple[Function, ...] = ()
    dead_letters: str = ""
    unread: str = ""
    unasked: Mapping[str, str] = MappingProxyType({})


def declared(deployment: "Deployment") -> tuple[Function, ...]:
    """Return the functions that a project declares, as FC would describe them."""
    from localyun.fc.http.documents import async_document, function_document, trigger_document  # noqa: PLC0415
    from localyun.fc.values import FcSettings  # noqa: PLC0415 - only where it is needed

    site = FcSettings(deployment.account_id, deployment.region)
    return tuple(
        read_function(
            function_document(config),
            async_document(config, site),
            [trigger_document(t, site, as_string=False) for t in deployment.triggers if t.function == config.name],
        )
        for config in deployment.functions
    )


def read_function(
    document: Mapping[str, Any], rules: Mapping[str, Any], triggers: Sequence[Mapping[str, Any]]
) -> Function:
    """Read a function from the documents of the FC API 2023-03-30: GetFunction, GetAsyncInvokeConfig, ListTriggers."""
    on_failure = (rules.get("destinationConfig") or {}).get("onFailure") or {}
    return Function(
        name=str(document["functionName"]),
        runtime=str(document.get("runtime") or ""),
        role=str(document.get("role") or ""),
        environment=dict(document.get("environmentVariables") or {}),
        on_failure=str(on_failure.get("destination") or ""),
        triggers=tuple(_trigger(trigger) for trigger in triggers),
    )


def _trigger(document: Mapping[str, Any]) -> Trigger:
    """Read a trigger; its configuration is a text in 2023-03-30, an object in the older API."""
    config = document.get("triggerConfig") or {}
    return Trigger(
        name=str(document.get("triggerName") or ""),
        kind=str(document.get("triggerType") or ""),
        source=str(document.get("sourceArn") or ""),
        config=json.loads(config) if isinstance(config, str) else config,
        role=str(document.get("invocationRole") or ""),
    )
