"""What requests and audio cost: a small table with its sources, and the operator's own prices over it.

A price that we could not read on the vendor's pages is None, and every estimate says that it leaves it out.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clipstitch_cli.context import visible
from clipstitch_cli.errors import NoSuchFile, Usage


class Price(NamedTuple):
    """The price of `per` units of something; None where it is not known. `source` and `dated`: where that stands."""

    name: str
    item: str
    per: int
    unit: str
    price: float | None
    source: str
    dated: str


CURRENCY = "USD"
# Looked up 2026-11-23, in stored copies of the pages named. The parts that we could read give units, free quotas and
# counting rules, but no price; so none stands here, and nothing is guessed: see `--prices`.
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
# No page that we read says what these cost, and they are not counted either.
NEVER = ("Function Compute", "storage and log storage", "traffic out of the cloud", "topics and queues by the day")
_FORM = '{"currency": "USD", "source": "…", "dated": "2026-11-23", "prices": {"oss_put": 0.01}}'


class PriceList(NamedTuple):
    """The prices that an estimate uses."""

    currency: str = CURRENCY
    prices: tuple[Price, ...] = PRICES


def read_prices(path: Path | None) -> PriceList:
    """Return the table, with the operator's own prices from a JSON file, if one is named."""
    if path is None:
        return PriceList()
    try:
        given = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NoSuchFile(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Usage(f"--prices {path} is not JSON: {error}; write {_FORM}") from error
    if problem := _problem(given):
        raise Usage(f"--prices {path} {problem}; write {_FORM}")
    return PriceList(given["currency"], tuple(_priced(price, given) for price in PRICES))


def _problem(given: Any) -> str:
    """Say what is wrong with a price file; nothing when it can be used."""
    names = ("currency", "source", "dated")
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in names):
        return "lacks a text for " + ", ".join(names)
    prices, known = given.get("prices"), [price.name for price in PRICES]
    if not isinstance(prices, dict) or not set(prices) <= set(known):
        return f"needs `prices`, a mapping of {', '.join(known)}"
    wrong = [name for name, value in prices.items() if type(value) not in {int, float} or value < 0]
    return f"has no usable number for {visible(', '.join(wrong))}" if wrong else ""


def _priced(price: Price, given: Mapping[str, Any]) -> Price:
    """Put the operator's price over ours."""
    if price.name not in given["prices"]:
        return price
    return price._replace(price=given["prices"][price.name], source=given["source"], dated=given["dated"])
