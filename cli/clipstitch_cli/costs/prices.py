"""Prices of requests and audio: a small table with its sources, which the operator's own prices can replace.

A price that the vendor's pages did not show is None; every estimate says that it does not include it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clipstitch_cli.context import visible
from clipstitch_cli.errors import UsageError
from clipstitch_cli.files import read_file


class Price(NamedTuple):
    """The price of `per` units; None if unknown. `source` and `dated`: the page that states it, and its date."""

    name: str
    item: str
    per: int
    unit: str
    price: float | None
    source: str
    dated: str


CURRENCY = "USD"
# Read 2026-11-23 in stored copies of the pages. Their readable parts give units, free quotas and counting rules, but no
# prices, so all prices are None; `--prices` supplies them.
PRICES = (
    Price("oss_put", "OSS requests of the PUT type", 10_000, "requests", None, "OSS, Request fees", "2026-03-25"),
    Price("oss_get", "OSS requests of the GET type", 10_000, "requests", None, "OSS, Request fees", "2026-03-25"),
    Price("imm_audio", "IMM audio processing", 1, "minutes", None, "IMM, Billing items", "2026-03-10"),
    Price("smq", "SMQ requests", 1_000_000, "requests", None, "SMQ, Billing", "2026-03-11"),
)
NOTES: Mapping[str, str] = {
    "smq": "the first 20 million requests of a month are free",
    "oss_get": "as of the PUT type, those answered with 4xx or 5xx are free",
}
# Neither counted nor priced.
EXCLUDED = ("Function Compute", "storage and log storage", "traffic out of the cloud", "topics and queues by the day")
_FORM = '{"currency": "USD", "source": "…", "dated": "2026-11-23", "prices": {"oss_put": 0.01}}'


class PriceList(NamedTuple):
    """The prices that an estimate uses."""

    currency: str = CURRENCY
    prices: tuple[Price, ...] = PRICES


DEFAULT_PRICES = PriceList()


def read_prices(path: Path | None) -> PriceList:
    """Return the table of prices, with those of a JSON file instead where it has them.

    Raises FileNotReadable, and UsageError if the file is not valid.
    """
    if path is None:
        return DEFAULT_PRICES
    try:
        given = json.loads(read_file(path))
    except ValueError as error:
        raise UsageError(f"--prices {path} is not JSON: {error}; write {_FORM}") from error
    if error_text := _error_in(given):
        raise UsageError(f"--prices {path} {error_text}; write {_FORM}")
    own, origin = given["prices"], {"source": given["source"], "dated": given["dated"]}
    prices = (price._replace(price=own[price.name], **origin) if price.name in own else price for price in PRICES)
    return PriceList(given["currency"], tuple(prices))


def _error_in(given: Any) -> str:
    """Return what is wrong with a price file; "" if it is valid."""
    names = ("currency", "source", "dated")
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in names):
        return "lacks a string for " + ", ".join(names)
    prices, known = given.get("prices"), [price.name for price in PRICES]
    if not isinstance(prices, dict) or not set(prices) <= set(known):
        return f"needs `prices`, a mapping of {', '.join(known)}"
    wrong = [name for name, value in prices.items() if type(value) not in {int, float} or value < 0]
    return f"has no usable number for {visible(', '.join(wrong))}" if wrong else ""
