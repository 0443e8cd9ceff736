"""RAM policies of roles, and their evaluation. Knows no HTTP and no YAML.

The HTTP endpoints check permissions through an `Authorizer`.

Sources: RAM "Policy structure and syntax", "Policy evaluation"; OSS "Grant access by using RAM policies" (2025-12);
OSS "Permissions" (2026-03), which names the IMM permission of every process; SMQ and FC RAM pages (read 2026-11).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from localyun.ram.credentials import Credential

ROOT = "root"
ELEMENTS = ("Effect", "Action", "Resource")
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
    services: tuple[str, ...] = ()

    def covers(self, action: str, resource: str, service: str = "") -> bool:
        """Return True if the statement applies to an action on a resource.

        `service` receives the passed role; with `services`, the statement applies only if it is one of them.
        """
        in_context = not self.services or service in self.services
        return in_context and _matches_any(self.actions, action) and _matches_any(self.resources, resource)


def parse_policy(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Return the statements of a policy document. Raises BadPolicy for unsupported elements and conditions."""
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
    if not isinstance(spec, Mapping) or set(spec) - {"Condition"} != set(ELEMENTS):
        given = ", ".join(map(str, spec)) if isinstance(spec, Mapping) else repr(spec)
        raise BadPolicy(f"{at} has {given}; exactly {', '.join(ELEMENTS)}, and Condition, are supported")
    if spec["Effect"] not in ("Allow", "Deny"):
        raise BadPolicy(f"{at}.Effect is {spec['Effect']!r}; known: Allow, Deny")
    actions, resources = _strings(spec["Action"], f"{at}.Action"), _strings(spec["Resource"], f"{at}.Resource")
    if wrong := [one for one in actions if one != "*" and ":" not in one]:
        raise BadPolicy(f"{at}.Action has {wrong[0]!r}; write service:Action")
    if wrong := [one for one in resources if one != "*" and len(one.split(":", 4)) < 5]:
        raise BadPolicy(f"{at}.Resource has {wrong[0]!r}; write acs:service:region:account:resource")
    return Statement(spec["Effect"] == "Allow", actions, resources, _services(spec.get("Condition"), f"{at}.Condition"))


def _services(condition: Any, at: str) -> tuple[str, ...]:
    """Return the services of the only supported condition, `StringEquals` on `acs:Service`; () without a condition."""
    match condition:
        case None:
            return ()
        case {"StringEquals": {"acs:Service": services, **others}, **more} if not (others or more):
            return _strings(services, f"{at}.StringEquals.acs:Service")
    raise BadPolicy(f"{at} is {condition!r}; only StringEquals on acs:Service is supported")


def _strings(value: Any, at: str) -> tuple[str, ...]:
    """Return a string, or a list of strings, as a tuple."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadPolicy(f"{at} must be a string or a list of strings, is {value!r}")
    return tuple(texts)


def _matches_any(patterns: Iterable[str], text: str) -> bool:
    """Return True if a text matches a pattern with `*` (any characters, also slashes) or `?` (one)."""
    return any(_compiled(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def evaluate(statements: Iterable[Statement], action: str, resource: str, service: str = "") -> bool:
    """Return True if a statement allows an action on a resource, and none denies it; `service` as in `covers`."""
    return {statement.allows for statement in statements if statement.covers(action, resource, service)} == {True}


class Authorizer:
    """Checks permissions of roles in one account and region. The root key has every permission.

    `statements_of` returns the statements that are in effect for a role, none for one that does not exist;
    `project_of` the IMM project to which a bucket is attached. `watch` receives every check of a role.
    """

    def __init__(
        self,
        statements_of: Callable[[str], Sequence[Statement]],
        account_id: str,
        region: str,
        *,
        project_of: Callable[[str], str | None] = lambda _bucket: None,
        watch: Callable[[AccessCheck], None] | None = None,
    ) -> None:
        self._statements_of = statements_of
        self._account, self._region = account_id, region
        self._project_of, self._watch = project_of, watch

    def is_allowed(self, principal: str, action: str, resource: str) -> bool:
        """Return True if a role has a permission; an undeclared role has none."""
        if principal == ROOT:
            return True
        allowed = evaluate(self._statements_of(principal), action, resource)
        if self._watch:
            self._watch(AccessCheck(principal, action, resource, allowed))
        return allowed

    def oss(self, credential: Credential, action: str, bucket: str, key: str) -> bool:
        """Check a permission of OSS, or one of IMM for the project of a bucket, which some processes need."""
        if action.startswith("imm:"):
            return self.imm(credential, action, self._arn("imm", f"project/{self._project_of(bucket) or '*'}"))
        resource = f"acs:oss:oss-{self._region}:{self._account}:{bucket}{'/' if key else ''}{key}"
        return self.is_allowed(credential.principal, action, resource)

    def mns(self, credential: Credential, action: str, path: str) -> bool:
        """Check a permission of SMQ on a resource path."""
        return self.is_allowed(credential.principal, action, self._arn("mns", path))

    def imm(self, credential: Credential, action: str, resource: str) -> bool:
        """Check a permission of IMM on a resource name."""
        return self.is_allowed(credential.principal, action, resource)

    def fc(self, credential: Credential, action: str, name: str) -> bool:
        """Check a permission of Function Compute on a function."""
        return self.is_allowed(credential.principal, action, self._arn("fc", f"functions/{name or '*'}"))

    def may_send(self, principal: str, arn: str) -> bool:
        """Return True if a role may send messages to a queue or topic."""
        if not (target := _DESTINATION.search(arn)):
            return False
        action = "mns:SendMessage" if target[1] == "queues" else "mns:PublishMessage"
        return self.is_allowed(principal, action, self._arn("mns", f"/{target[1]}/{target[2]}/messages"))

    def _arn(self, service: str, resource: str) -> str:
        return f"acs:{service}:{self._region}:{self._account}:{resource}"
