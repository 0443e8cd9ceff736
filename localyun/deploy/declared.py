"""What a project declares, after all references are resolved: plain values. Made by `localyun.deploy.project`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localyun.fc.values import FunctionConfig
from localyun.ram.policies import Statement, parse_policy, system_policy


class BadDeployment(Exception):
    """A deployment file that cannot be used; says what is wrong, where, and what would do."""


@dataclass(frozen=True)
class Declared:
    """A queue, topic or other resource by name, with its attributes as the local service calls them."""

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
class Attachment:
    """A bucket whose objects an IMM project may process."""

    bucket: str
    project: str


@dataclass(frozen=True)
class Role:
    """A role: who may take it, what it may do. Policies are documents as RAM takes them."""

    arn: str
    trust: Mapping[str, object]
    policies: tuple[Mapping[str, object], ...] = ()
    system_policies: tuple[str, ...] = ()

    def statements(self) -> tuple[Statement, ...]:
        """Return everything that its policies say; `BadPolicy` where the local cloud cannot evaluate one."""
        own = [statement for policy in self.policies for statement in parse_policy(policy)]
        return (*own, *(statement for name in self.system_policies for statement in system_policy(name)))

    def trusts(self, service: str) -> bool:
        """Tell whether a service may take the role."""
        statements = self.trust.get("Statement")
        return isinstance(statements, list) and any(_lets_in(statement, service) for statement in statements)


def _lets_in(statement: object, service: str) -> bool:
    """Tell whether a trust statement lets a service take its role."""
    if not isinstance(statement, Mapping) or statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, Mapping) else None
    return service in (services if isinstance(services, list) else [services])


@dataclass(frozen=True)
class ObjectTrigger:
    """Invoke a function when something happens to an object; event names as in the configuration, `oss:...`.

    `role` is the ARN of the role that the source invokes with, here and below.
    """

    function: str
    name: str
    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    role: str = ""


@dataclass(frozen=True)
class TopicTrigger:
    """Invoke a function for every message of a topic."""

    function: str
    name: str
    topic: str
    content_format: str = "STREAM"
    strategy: str = "BACKOFF_RETRY"
    filter_tag: str = ""
    role: str = ""


@dataclass(frozen=True)
class TimerTrigger:
    """Invoke a function at times: `@every 5m`, or six cron fields."""

    function: str
    name: str
    expression: str
    payload: str = ""
    enabled: bool = True


Trigger = ObjectTrigger | TopicTrigger | TimerTrigger


@dataclass(frozen=True)
class Deployment:
    """Everything a project needs to exist.

    `service_roles` are the roles of IMM projects by project; `outputs` are those of the stacks.
    """

    account_id: str
    region: str
    buckets: tuple[str, ...] = ()
    topics: tuple[Declared, ...] = ()
    queues: tuple[Declared, ...] = ()
    subscriptions: tuple[DeclaredSubscription, ...] = ()
    projects: tuple[str, ...] = ()
    service_roles: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    roles: tuple[Role, ...] = ()
    functions: tuple[FunctionConfig, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
