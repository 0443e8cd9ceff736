"""What a project declares, with all references resolved: plain values. `localyun.deploy.project` creates them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localyun.fc.values import FunctionConfig, Trigger
from localyun.ram.policies import Statement, parse_policy, system_policy


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


@dataclass(frozen=True)
class DeclaredAttachment:
    """The attachment of a bucket to an IMM project, which may then process its objects."""

    bucket: str
    project: str


@dataclass(frozen=True)
class DeclaredRole:
    """A role: the services that may assume it, and its permissions, as RAM policy documents."""

    arn: str
    trust: Mapping[str, object]
    policies: tuple[Mapping[str, object], ...] = ()
    system_policies: tuple[str, ...] = ()

    def statements(self) -> tuple[Statement, ...]:
        """Return the statements of all its policies; raise `BadPolicy` if the local cloud cannot evaluate one."""
        own = [statement for policy in self.policies for statement in parse_policy(policy)]
        return (*own, *(statement for name in self.system_policies for statement in system_policy(name)))

    def trusts(self, service: str) -> bool:
        """Return True if a service may assume the role."""
        statements = self.trust.get("Statement")
        return isinstance(statements, list) and any(_allows(statement, service) for statement in statements)


def _allows(statement: object, service: str) -> bool:
    if not isinstance(statement, Mapping) or statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, Mapping) else None
    return service in (services if isinstance(services, list) else [services])


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
    roles: tuple[DeclaredRole, ...] = ()
    functions: tuple[FunctionConfig, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
