"""Durations in manifests: "1h", "1m30s", "300ms", or an integer number of milliseconds."""

import re
from itertools import pairwise

_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|h|m|s)")
MAX_MS = 1_000 * _UNIT_MS["h"]  # own limit: a longer duration is a typing error
FORMS = '"1h", "1m30s", "4.5s", "300ms", or an integer number of milliseconds; at most 1000h'


def parse_duration_ms(value: object) -> int | None:
    """Return a duration in milliseconds; None if the value is not a duration, or is longer than 1,000 hours.

    >>> parse_duration_ms("1m30s"), parse_duration_ms("4.5s"), parse_duration_ms(250), parse_duration_ms("soon")
    (90000, 4500, 250, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    total = value if isinstance(value, int) else sum_units_ms(value)
    return total if total is not None and 0 <= total <= MAX_MS else None


def sum_units_ms(text: str) -> int | None:
    """Return the milliseconds of a string such as 1m30s, even beyond `MAX_MS`; None if it is not of that form."""
    parts = _PART.findall(text)
    units = [_UNIT_MS[unit] for _, unit in parts]
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    if any(later >= earlier for earlier, later in pairwise(units)):
        return None
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))
