"""Roles: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from localyun.ram.policies import Statement, parse_policy, system_policy


def role_arn(account_id: str, name: str) -> str:
    """Return a role's ARN in lower case, as fc3 writes it into functions and triggers."""
    return f"acs:ram::{account_id}:role/{name}".lower()


@dataclass(frozen=True)
class Role:
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
