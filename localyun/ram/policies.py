"""RAM policies of roles, and their evaluation. Knows no HTTP and no YAML.

The HTTP endpoints check permissions through an `Authorizer`; `localyun.ram.actions` has the resource of each.

Sources: RAM "Policy structure and syntax", "Policy evaluation" (read 2026-11).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localyun.ram.actions import condition_keys, find_action
from localyun.ram.conditions import NO_VALUES, OPERATORS, PolicyCondition, check_value
from localyun.ram.credentials import Credential
from localyun.ram.patterns import arn_parts, matches, matches_resource

ROOT = "root"
ELEMENTS = ("Effect", "Action", "Resource")
OPTIONAL = ("Condition",)
_DESTINATION = re.compile(r":/?(queues|topics)/([^/]+)")  # official pages write it with the slash and without
# The vendor's policies that a project of this kind may use.
SYSTEM_POLICIES: Mapping[str, str] = {
    "AliyunFCInvocationAccess": "fc:InvokeFunction",
    "AliyunMNSNotificationRolePolicy": "fc:InvokeFunction",
    "AliyunOSSEventNotificationRolePolicy": "mns:*",
    "AliyunOSSFullAccess": "oss:*",
    "AliyunMNSFullAccess": "mns:*",
    "AliyunIMMFullAccess": "imm:*",
    "AliyunFCFullAccess": "fc:*",
}


class BadPolicy(ValueError):
    """A policy that cannot be evaluated here; the message gives the reason and the known values."""


@dataclass(frozen=True)
class AccessCheck:
    """A permission check of a role and its result."""

    principal: str
    action: str
    resource: str
    allowed: bool


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[PolicyCondition, ...] = ()

    def covers(self, action: str, resource: str, values: Mapping[str, str] = NO_VALUES) -> bool:
        """Return True if the statement applies to an action on a resource, in a request with these condition values."""
        if not (matches(self.actions, action) and matches_resource(self.resources, resource)):
            return False
        return all(condition.holds(values) for condition in self.conditions)


def parse_policy(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Return the statements of a policy document. Raises BadPolicy for unknown elements and conditions."""
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        raise BadPolicy("a policy needs a list of statements under Statement")
    return tuple(_parse_statement(spec, f"Statement[{index}]") for index, spec in enumerate(statements))


def system_policy(name: str) -> tuple[Statement, ...]:
    """Return the statements of a policy of the vendor. Raises BadPolicy."""
    if name not in SYSTEM_POLICIES:
        raise BadPolicy(f"system policy {name!r} is unknown here; known: {', '.join(SYSTEM_POLICIES)}")
    return (Statement(allows=True, actions=(SYSTEM_POLICIES[name],), resources=("*",)),)


def _parse_statement(spec: Any, at: str) -> Statement:
    if not isinstance(spec, Mapping) or set(spec) - set(OPTIONAL) != set(ELEMENTS):
        given = ", ".join(map(str, spec)) if isinstance(spec, Mapping) else repr(spec)
        raise BadPolicy(f"{at} has {given}; {', '.join(ELEMENTS)} and optionally {', '.join(OPTIONAL)} are supported")
    if spec["Effect"] not in ("Allow", "Deny"):
        raise BadPolicy(f"{at}.Effect is {spec['Effect']!r}; known: Allow, Deny")
    actions, resources = _strings(spec["Action"], f"{at}.Action"), _strings(spec["Resource"], f"{at}.Resource")
    if wrong := [one for one in actions if one != "*" and ":" not in one]:
        raise BadPolicy(f"{at}.Action has {wrong[0]!r}; write service:Action")
    if wrong := [one for one in resources if one != "*" and len(arn_parts(one)) < 5]:
        raise BadPolicy(f"{at}.Resource has {wrong[0]!r}; write acs:service:region:account:resource")
    conditions = tuple(_parse_conditions(spec.get("Condition", {}), actions, f"{at}.Condition"))
    return Statement(spec["Effect"] == "Allow", actions, resources, conditions)


def _parse_conditions(spec: Any, actions: Sequence[str], at: str) -> Iterator[PolicyCondition]:
    """Yield the conditions of a statement. Raises BadPolicy for a key that one of its actions does not have."""
    if not isinstance(spec, Mapping) or not all(isinstance(keys, Mapping) for keys in spec.values()):
        raise BadPolicy(f"{at} is {spec!r}; write operators with keys and values")
    for operator, keys in spec.items():
        if operator not in OPERATORS:
            raise BadPolicy(f"{at} has the operator {operator!r}; known here: {', '.join(OPERATORS)}")
        for key, value in keys.items():
            for action in actions:
                if key not in (known := condition_keys(action)):
                    raise BadPolicy(f"{at} has {key!r}; keys of {action} known here: {', '.join(sorted(known))}")
            values = _strings(str(value).lower() if isinstance(value, bool) else value, f"{at}.{operator}.{key}")
            try:
                for one in values:
                    check_value(operator, one)
            except ValueError as error:
                raise BadPolicy(f"{at}.{operator}.{key}: {error}") from error
            yield PolicyCondition(operator, str(key), values)


def _strings(value: Any, at: str) -> tuple[str, ...]:
    """Return a string, or a list of strings, as a tuple."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadPolicy(f"{at} must be a string or a list of strings, is {value!r}")
    return tuple(texts)


def evaluate(
    statements: Iterable[Statement], action: str, resource: str, values: Mapping[str, str] = NO_VALUES
) -> bool:
    """Return True if a statement allows an action on a resource, and none denies it.

    `values` are those of the condition keys in the request.
    """
    return {statement.allows for statement in statements if statement.covers(action, resource, values)} == {True}


class Authorizer:
    """Checks permissions of roles in one account and region. The root key has every permission.

    `statements_of` returns the statements that are in effect for a role, none for one that does not exist. `watch`
    receives every check of a role.
    """

    def __init__(
        self,
        statements_of: Callable[[str], Sequence[Statement]],
        account_id: str,
        region: str,
        *,
        watch: Callable[[AccessCheck], None] | None = None,
    ) -> None:
        self._statements_of, self._watch = statements_of, watch
        self._account, self._region = account_id, region

    def allow(
        self, credential: Credential, action: str, *names: str, conditions: Mapping[str, str] = NO_VALUES
    ) -> bool:
        """Return True if a key has a permission on the resource with these names, such as a bucket and a key."""
        return self.may(credential.principal, action, *names, conditions=conditions)

    def may(self, principal: str, action: str, *names: str, conditions: Mapping[str, str] = NO_VALUES) -> bool:
        """Return True if a role has a permission; an undeclared role has none. Raises UnknownAction."""
        resource = self.resource(action, *names)
        if principal == ROOT:
            return True
        allowed = evaluate(self._statements_of(principal), action, resource, conditions)
        if self._watch:
            self._watch(AccessCheck(principal, action, resource, allowed))
        return allowed

    def resource(self, action: str, *names: str) -> str:
        """Return the resource on which a policy must allow an action. Raises UnknownAction."""
        region = f"oss-{self._region}" if action.startswith("oss:") else self._region  # OSS has names of its own
        return find_action(action).arn(self._account, region, names)

    def may_send(self, principal: str, arn: str) -> bool:
        """Return True if a role may send messages to a queue or topic."""
        if not (target := _DESTINATION.search(arn)):
            return False
        action = "mns:SendMessage" if target[1] == "queues" else "mns:PublishMessage"
        return self.may(principal, action, target[2])
