"""The actions of RAM policies as the vendor's pages describe them, read from `actions.tsv`. Knows no policies.

`actions.tsv` has one row for each action that the functions, the roles, the command or the deployment tools need.
Its columns: the action; the resource that a policy must name, where `*` is the vendor's "All Resource" and each name in
braces is a part of the request; the condition keys, of which those in the row `*` go with every action; who needs the
action; whether the local cloud checks it; the vendor's page with its date, or `unverified` and the reason.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from string import Formatter

from localyun.ram.patterns import matches

EVERY_ACTION = "*"
ALL_RESOURCE = "*"
UNVERIFIED = "unverified: "


class UnknownAction(LookupError):
    """An action that `actions.tsv` lacks."""


@dataclass(frozen=True)
class RamAction:
    """One row. `resource` has the names `region` and `account`, then those of the request, in braces."""

    name: str
    resource: str
    conditions: frozenset[str]
    used_by: frozenset[str]
    asked: bool
    source: str

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names of the request that the resource has, in order."""
        names = (name for _, name, _, _ in Formatter().parse(self.resource) if name)
        return tuple(name for name in names if name not in ("region", "account"))

    def arn(self, account: str, region: str, names: Iterable[str]) -> str:
        """Return the resource of a request that has these names. A missing name is `*`; additional ones are ignored."""
        given = [*(name or "*" for name in names), *("*" for _ in self.parts)]
        return self.resource.format_map({"account": account, "region": region, **dict(zip(self.parts, given))})  # noqa: B905 - `given` is longer


def _read() -> Mapping[str, RamAction]:
    text = (files("localyun.ram") / "actions.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {
        row["action"]: RamAction(
            row["action"],
            row["resource"],
            frozenset(row["conditions"].split()),
            frozenset(row["used by"].split()),
            row["asked"] == "yes",
            row["source"],
        )
        for row in rows
    }


ACTIONS: Mapping[str, RamAction] = _read()


def find_action(name: str) -> RamAction:
    """Return an action. Raises UnknownAction."""
    try:
        return ACTIONS[name]
    except KeyError:
        message = f"{name} is not in localyun/ram/actions.tsv; add it with its resource and the vendor's page"
        raise UnknownAction(message) from None


def matching_actions(pattern: str) -> list[RamAction]:
    """Return the known actions that an Action element means, which may have wildcards."""
    return [action for name, action in ACTIONS.items() if name != EVERY_ACTION and matches([pattern], name)]


def condition_keys(pattern: str) -> frozenset[str]:
    """Return the condition keys that the vendor documents for an Action element, which may have wildcards."""
    own = (action.conditions for action in matching_actions(pattern))
    return ACTIONS[EVERY_ACTION].conditions.union(*own)
