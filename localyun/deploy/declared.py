"""What a project declares, with all references resolved: plain values. `localyun.deploy.project` creates them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from localyun.fc.values import FunctionConfig, Trigger
from localyun.ram.values import Role


class BadDeployment(Exception):
    """A deployment file that is not valid; the message has the place, the error and the remedy."""


@dataclass(frozen=True)
class DeclaredResource:
    """A queue or topic, with its attributes by the names of the local service."""

    name: str
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DeclaredSubscription:
    """A subscription to a topic."""

    topic: str
    name: str
    endpoint: str
    strategy: str = "BACKOFF_RETRY"
    content_format: str = "XML"
    filter_tag: str = ""

    @property
    def options(self) -> dict[str, str]:
        """What `Topics.subscribe` takes besides topic and name."""
        return {name: value for name, value in asdict(self).items() if name not in ("topic", "name")}


@dataclass(frozen=True)
class DeclaredAttachment:
    """The attachment of a bucket to an IMM project, which may then process its objects."""

    bucket: str
    project: str


@dataclass(frozen=True)
class Deployment:
    """Everything that a project declares.

    `service_roles` has the role of each IMM project that does not use the default role; `outputs` are those of all
    stacks.
    """

    account_id: str
    region: str
    buckets: tuple[str, ...] = ()
    topics: tuple[DeclaredResource, ...] = ()
    queues: tuple[DeclaredResource, ...] = ()
    subscriptions: tuple[DeclaredSubscription, ...] = ()
    projects: tuple[str, ...] = ()
    service_roles: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[DeclaredAttachment, ...] = ()
    roles: tuple[Role, ...] = ()
    functions: tuple[FunctionConfig, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
