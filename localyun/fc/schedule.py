"""The times of a timer trigger: `@every 5m`, or six cron fields from seconds to weekdays. Pure.

Source: FC "Time triggers", read 2026-11: seconds minutes hours day month weekday, in UTC; CRON_TZ is not supported.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_EVERY = re.compile(r"@every\s+((?:\d+(?:\.\d+)?[smh])+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_RANGES = (
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
)
_FIELD = re.compile(r"(?:[*?]|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_MONTH_NAMES = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
_DAY_NAMES = "SUN MON TUE WED THU FRI SAT"
_HORIZON = timedelta(days=366 * 4 + 1)  # includes a 29 February


class BadSchedule(Exception):
    """An expression that is not a schedule; the message has the remedy."""


@dataclass(frozen=True)
class Schedule:
    """Either an interval in seconds, or the allowed values of six fields."""

    every: float = 0.0
    fields: tuple[frozenset[int], ...] = ()

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Return the schedule of an expression; raise `BadSchedule` if it is not valid.

        >>> Schedule.parse("@every 1h30m").every
        5400.0
        """
        text = expression.strip()
        if match := _EVERY.fullmatch(text):
            return cls(every=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match[1])))
        parts = text.upper().split()
        if len(parts) != len(_RANGES):
            raise BadSchedule(f"cronExpression {expression!r}: write `@every 5m` or six fields such as `0 0 8 * * *`")
        return cls(fields=tuple(_field(part, *limits) for part, limits in zip(parts, _RANGES, strict=True)))

    def after(self, moment: datetime, time_scale: float = 1.0) -> datetime:
        """Return the first time after `moment`; raise `BadSchedule` if there is none.

        `time_scale` divides intervals.
        """
        if self.every:
            return moment + timedelta(seconds=self.every / time_scale)
        candidate = moment.replace(microsecond=0) + timedelta(seconds=1)
        seconds, minutes, hours = self.fields[:3]
        limit = candidate + _HORIZON
        while candidate < limit:
            if not self._day_matches(candidate):
                candidate = candidate.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif candidate.hour not in hours:
                candidate = candidate.replace(minute=0, second=0) + timedelta(hours=1)
            elif candidate.minute not in minutes:
                candidate = candidate.replace(second=0) + timedelta(minutes=1)
            elif candidate.second not in seconds:
                candidate += timedelta(seconds=1)
            else:
                return candidate
        raise BadSchedule("the cron expression has a date that does not exist, such as 30 February")

    def _day_matches(self, day: datetime) -> bool:
        _, _, _, days, months, weekdays = self.fields
        return day.day in days and day.month in months and day.isoweekday() % 7 in weekdays


def _field(text: str, name: str, low: int, high: int) -> frozenset[int]:
    """Parse one field: values, ranges, steps, lists."""
    for number, word in enumerate({"month": _MONTH_NAMES, "weekday": _DAY_NAMES}.get(name, "").split(), low):
        text = text.replace(word, str(number))
    values: set[int] = set()
    for part in text.split(","):
        if not (match := _FIELD.fullmatch(part)):
            raise BadSchedule(f"cron field {name}: {part!r} is not valid; write *, ?, 5, 1-5, */10 or a list")
        first, last, step = (None if number is None else int(number) for number in match.groups())
        if first is None:
            first, last = low, high
        elif last is None:  # a single value with a step extends to `high`
            last = high if match[3] else first
        if not low <= first <= last <= high:
            raise BadSchedule(f"cron field {name}: {part!r} is not from {low} to {high}")
        values.update(range(first, last + 1, step or 1))
    return frozenset(value % 7 if name == "weekday" else value for value in values)
