"""Who may do what: RAM policies of roles, and what the services ask of them.

Knows statements, wildcards, resource names. Knows no HTTP and no YAML. The faces ask through `Authorizer`; made by
`localyun.server`.

Sources: RAM "Policy structure and syntax", "Policy evaluation"; OSS "Grant access by using RAM policies" (2025-12);
OSS "Permissions" (2026-03), which names the IMM right behind every process; SMQ and FC RAM pages (read 2026-11).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from localyun.ram.credentials import Credential

ROOT = "root"
ELEMENTS = ("Effect", "Action", "Resource")
_DESTINATION = re.compile(r":/?(queues|topics)/([^/]+)")  # official pages spell it with the slash and without
# What is attached by name; of the vendor's policies, those that a project of this kind has a use for.
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
    """A policy that cannot be evaluated here; says what is wrong and what is known."""


@dataclass(frozen=True)
class AccessCheck:
    """Something that somebody wanted to do, and whether he may."""

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

    def covers(self, action: str, resource: str) -> bool:
        """Tell whether the statement speaks of this."""
        return any(_like(one, action) for one in self.actions) and any(_like(one, resource) for one in self.resources)


def parse_policy(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Read a policy document; `BadPolicy` names what cannot be evaluated here, such as conditions."""
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        raise BadPolicy("a policy needs a list of statements under Statement")
    return tuple(_read_statement(one, f"Statement[{place}]") for place, one in enumerate(statements))


def system_policy(name: str) -> tuple[Statement, ...]:
    """Return a policy of the vendor's."""
    if name not in SYSTEM_POLICIES:
        raise BadPolicy(f"system policy {name!r} is unknown here; known: {', '.join(SYSTEM_POLICIES)}")
    return (Statement(allows=True, actions=(SYSTEM_POLICIES[name],), resources=("*",)),)


def _read_statement(spec: Any, at: str) -> Statement:
    """Read one statement."""
    if not isinstance(spec, Mapping) or set(spec) != set(ELEMENTS):
        given = ", ".join(map(str, spec)) if isinstance(spec, Mapping) else repr(spec)
        raise BadPolicy(f"{at} has {given}; exactly {', '.join(ELEMENTS)} are known here")
    if spec["Effect"] not in ("Allow", "Deny"):
        raise BadPolicy(f"{at}.Effect is {spec['Effect']!r}; known: Allow, Deny")
    actions, resources = _texts(spec["Action"], f"{at}.Action"), _texts(spec["Resource"], f"{at}.Resource")
    if wrong := [one for one in actions if one != "*" and ":" not in one]:
        raise BadPolicy(f"{at}.Action has {wrong[0]!r}; write service:Action")
    if wrong := [one for one in resources if one != "*" and len(one.split(":", 4)) < 5]:
        raise BadPolicy(f"{at}.Resource has {wrong[0]!r}; write acs:service:region:account:resource")
    return Statement(spec["Effect"] == "Allow", actions, resources)


def _texts(value: Any, at: str) -> tuple[str, ...]:
    """Return one text, or several, as a tuple."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadPolicy(f"{at} must be a text or a list of texts, is {value!r}")
    return tuple(texts)


def _like(pattern: str, text: str) -> bool:
    """Tell whether a text fits a pattern with `*` (any characters, slashes too) and `?` (one)."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Translate a pattern."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def evaluate(statements: Iterable[Statement], action: str, resource: str) -> bool:
    """Tell whether statements together allow something: one must, and none may deny it."""
    effects = {statement.allows for statement in statements if statement.covers(action, resource)}
    return effects == {True}


class Authorizer:
    """What every role may do in one account and region. The account's own key may do everything.

    `project_of` names the IMM project that a bucket is attached to; `watch` hears every question that a role asks.
    """

    def __init__(
        self,
        roles: Mapping[str, Sequence[Statement]],
        account_id: str,
        region: str,
        *,
        project_of: Callable[[str], str | None] = lambda _bucket: None,
        watch: Callable[[AccessCheck], None] | None = None,
    ) -> None:
        self._roles = {arn.lower(): tuple(statements) for arn, statements in roles.items()}
        self._account, self._region = account_id, region
        self._project_of, self._watch = project_of, watch

    def may(self, principal: str, action: str, resource: str) -> bool:
        """Tell whether a role may do something; one that nobody declared may do nothing."""
        if principal == ROOT:
            return True
        allowed = evaluate(self._roles.get(principal.lower(), ()), action, resource)
        if self._watch:
            self._watch(AccessCheck(principal, action, resource, allowed))
        return allowed

    def oss(self, credential: Credential, action: str, bucket: str, key: str) -> bool:
        """Answer the OSS face; an action of IMM's, which some processes need too, is asked for the bucket's project."""
        if action.startswith("imm:"):
            return self.imm(credential, action, self._arn("imm", f"project/{self._project_of(bucket) or '*'}"))
        resource = f"acs:oss:oss-{self._region}:{self._account}:{bucket}{'/' if key else ''}{key}"
        return self.may(credential.principal, action, resource)

    def mns(self, credential: Credential, action: str, path: str) -> bool:
        """Answer the SMQ face, which knows resources by their path."""
        return self.may(credential.principal, action, self._arn("mns", path))

    def imm(self, credential: Credential, action: str, resource: str) -> bool:
        """Answer the IMM face, which knows resources by their whole name."""
        return self.may(credential.principal, action, resource)

    def fc(self, credential: Credential, action: str, name: str) -> bool:
        """Answer the Function Compute face, which knows functions by name."""
        return self.may(credential.principal, action, self._arn("fc", f"functions/{name or '*'}"))

    def may_send(self, principal: str, arn: str) -> bool:
        """Tell whether a role may deliver to the queue or topic of that name."""
        if not (target := _DESTINATION.search(arn)):
            return False
        action = "mns:SendMessage" if target[1] == "queues" else "mns:PublishMessage"
        return self.may(principal, action, self._arn("mns", f"/{target[1]}/{target[2]}/messages"))

    def _arn(self, service: str, resource: str) -> str:
        """Spell a resource's whole name."""
        return f"acs:{service}:{self._region}:{self._account}:{resource}"
