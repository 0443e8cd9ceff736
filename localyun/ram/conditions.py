"""Conditions of RAM policies: their operators, and their evaluation with the values of a request. Knows no HTTP.

RAM, "Conditional operators", 2025-12-09. Numbers and dates are left out: no key that `actions.tsv` lists has one. A
request without a key fulfils no condition except the negated ones; the page does not say so.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localyun.ram.patterns import matches

NO_VALUES: Mapping[str, str] = {}


def _in_network(given: str, network: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(network, strict=False)


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda given, value: given == value,
    "StringEqualsIgnoreCase": lambda given, value: given.casefold() == value.casefold(),
    "StringLike": lambda given, value: matches([value], given),
    "Bool": lambda given, value: given.casefold() == value.casefold(),
    "IpAddress": _in_network,
}
_NEGATED: Mapping[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NotIpAddress": "IpAddress",
}
OPERATORS = (*_TESTS, *_NEGATED)


@dataclass(frozen=True)
class PolicyCondition:
    """One operator, one key, and the values of which one must match; of a negated operator none may match."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, given: Mapping[str, str]) -> bool:
        """Return True if the values of a request, by key, fulfil the condition."""
        test = _TESTS[_NEGATED.get(self.operator, self.operator)]
        found = self.key in given and any(test(given[self.key], value) for value in self.values)
        return found != (self.operator in _NEGATED)


def check_value(operator: str, value: str) -> None:
    """Raise ValueError if an operator cannot compare with a value."""
    if operator.endswith("IpAddress"):
        ipaddress.ip_network(value, strict=False)
