"""The roles of the account, in SQLite. Knows rows and ages; `localyun.ram.policies` evaluates the policies."""

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.documents import Documents
from localyun.ram.policies import Statement
from localyun.ram.values import Role

ROLE = "role"


class RoleStore:
    """The roles by ARN, in any case. For `delay_s` seconds after its creation a role has no permissions yet."""

    def __init__(self, file: Path, clock: CloudClock, delay_s: float = 0.0) -> None:
        self._documents = Documents(file)
        self._clock = clock
        self._delay = timedelta(seconds=delay_s)
        self._cache: dict[str, tuple[datetime, Role, tuple[Statement, ...]]] = {}
        for arn, document in self._documents.all(ROLE).items():
            self._remember(arn, document)

    def put(self, role: Role, *, is_old: bool = False) -> None:
        """Create a role, or replace its policies. Raises BadPolicy if the local cloud cannot evaluate them.

        `is_old`: it has its permissions at once.
        """
        role.statements()  # raises before anything is stored
        arn, now = role.arn.lower(), self._clock.now()
        created = self._cache[arn][0] if arn in self._cache else now - self._delay * is_old
        document = {**asdict(role), "arn": arn, "created": created.isoformat()}
        self._documents.put(ROLE, arn, document)
        self._remember(arn, document)

    def find(self, arn: str) -> Role | None:
        """Return a role, or None."""
        found = self._cache.get(arn.lower())
        return found[1] if found else None

    def why_not_assumable(self, arn: str, service: str) -> str:
        """Return why a service cannot assume a role; "" if it can."""
        role = self.find(arn)
        if role is None:
            return "it does not exist"
        return "" if role.trusts(service) else f"it does not trust {service}"

    def all(self) -> list[Role]:
        """Return all roles in order of their ARNs."""
        return [self._cache[arn][1] for arn in sorted(self._cache)]

    def delete(self, arn: str) -> bool:
        """Delete a role; return False if there is none."""
        self._cache.pop(arn.lower(), None)
        return self._documents.delete(ROLE, arn.lower())

    def statements(self, arn: str) -> tuple[Statement, ...]:
        """Return the statements that are in effect for a role; an unknown or a young one has none."""
        if not (found := self._cache.get(arn.lower())):
            return ()
        created, _, statements = found
        return statements if self._clock.now() >= created + self._delay else ()

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def _remember(self, arn: str, document: dict[str, Any]) -> None:
        policies, system_policies = tuple(document["policies"]), tuple(document["system_policies"])
        role = Role(arn, document["trust"], policies, system_policies)
        self._cache[arn] = datetime.fromisoformat(document["created"]), role, role.statements()
