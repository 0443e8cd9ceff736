"""Lengths of time as people write them in manifests: "1h", "1m30s", "300ms", or a bare number of milliseconds."""

import re
from itertools import pairwise

_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|h|m|s)")
MAX_MS = 1_000 * _UNIT_MS["h"]  # ours: beyond 1,000 hours it is a slip of the pen
FORMS = '"1h", "1m30s", "4.5s", "300ms", or a whole number of milliseconds'


def parse_duration_ms(value: object) -> int | None:
    """Read a length of time; None when it is not one, or longer than 1,000 hours.

    >>> milliseconds("1m30s"), milliseconds("4.5s"), milliseconds(250), milliseconds("soon")
    (90000, 4500, 250, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    total = value if isinstance(value, int) else _of_text(value)
    return total if total is not None and 0 <= total <= MAX_MS else None


def _of_text(text: str) -> int | None:
    """Add up the parts of a text such as 1m30s; units must fall, as in speech."""
    parts = _PART.findall(text)
    units = [_UNIT_MS[unit] for _, unit in parts]
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    if any(later >= earlier for earlier, later in pairwise(units)):
        return None
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))
