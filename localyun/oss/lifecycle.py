"""Lifecycle rules: what they say, whether they may stand together, and when an action is due. Pure.

Sources: API reference, PutBucketLifecycle, the pages "0014-00000050" to "0014-00000082", and the tests of the vendor's
SDKs, read 2026-11.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import combinations
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.oss.tags import CHARACTERS, parse_tags
from localyun.oss.values import StoredObject, invalid_argument

EXPIRATION, TRANSITION, ABORT = "Expiration", "Transition", "AbortMultipartUpload"
OLD_EXPIRATION, OLD_TRANSITION = "NoncurrentVersionExpiration", "NoncurrentVersionTransition"
MARKER_EXPIRATION = "ExpiredObjectDeleteMarker"
KINDS = (EXPIRATION, TRANSITION, ABORT, OLD_EXPIRATION, OLD_TRANSITION)
CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")  # each is colder than the one before
MAX_RULES = 1000
_LAST = len(CLASSES)  # an expiration follows all transitions


@dataclass(frozen=True)
class LifecycleAction:
    """What happens to matching objects, days after their last change, or if they are older than a date."""

    kind: str
    days: int | None = None
    created_before: datetime | None = None
    date: datetime | None = None
    storage_class: str = ""

    @property
    def rank(self) -> int:
        """The place in the order of actions on one object."""
        return CLASSES.index(self.storage_class) if self.storage_class else _LAST

    @property
    def name(self) -> str:
        """The type, of which overlapping rules have one only."""
        return f"{self.kind} to {self.storage_class}" if self.storage_class else self.kind

    def is_due(self, since: datetime, now: datetime) -> bool:
        """Return True if the action applies to what was last changed at a time."""
        if self.days is not None:
            return now >= since + timedelta(days=self.days)
        if self.created_before is not None:
            return since < self.created_before <= now
        return self.date is not None and now >= self.date


@dataclass(frozen=True)
class LifecycleRule:
    """A rule: which objects match, and what happens to them."""

    name: str
    prefix: str
    is_enabled: bool
    tags: frozenset[tuple[str, str]]
    least_size: int
    size_limit: int | None
    exceptions: tuple[tuple[str, frozenset[tuple[str, str]]], ...]
    actions: tuple[LifecycleAction, ...]

    def matches(self, found: StoredObject) -> bool:
        """Return True if the rule is enabled and selects an object."""
        tags = set(parse_tags(found.headers.get("x-oss-tagging", "")))
        if not self.is_enabled or not found.key.startswith(self.prefix) or not self.tags <= tags:
            return False
        if found.size < self.least_size or (self.size_limit is not None and found.size >= self.size_limit):
            return False
        return not any(found.key.startswith(prefix) and own <= tags for prefix, own in self.exceptions)

    def overlaps(self, other: "LifecycleRule") -> bool:
        """Return True if both rules can select the same object."""
        nested = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        return nested and self.tags == other.tags


def parse_rules(root: ET.Element) -> list[LifecycleRule]:
    """Return the rules of a document. Raises MalformedXML or InvalidArgument."""
    rules = [_rule(node) for node in root.findall("Rule")]
    if not 1 <= len(rules) <= MAX_RULES:
        raise _malformed(f"it must have 1 to {MAX_RULES} rules")
    names = [rule.name for rule in rules if rule.name]
    if len(set(names)) < len(names):
        raise invalid_argument("ID", "", "The IDs of the rules must be different.")
    return rules


def check_rules(rules: Sequence[LifecycleRule], *, allow_overlap: bool) -> None:
    """Raise InvalidArgument or InvalidRequest if rules contradict themselves or each other."""
    for rule in rules:
        _check_together(rule.actions)
    for one, other in combinations(rules, 2):
        if one.overlaps(other):
            same = {action.name for action in one.actions} & {action.name for action in other.actions}
            if same and not allow_overlap:
                raise ServiceError(400, "InvalidArgument", f"Overlap for same action type {min(same)}")
            _check_together((*one.actions, *other.actions), may_mix=bool(same))


def _check_together(actions: Sequence[LifecycleAction], *, may_mix: bool = False) -> None:
    for kinds in ((EXPIRATION, TRANSITION), (OLD_EXPIRATION, OLD_TRANSITION)):
        found = [action for action in actions if action.kind in kinds]
        if not may_mix and len({action.days is None for action in found}) > 1:
            text = "Days and dates cannot be mixed in actions on the same objects."
            raise ServiceError(400, "InvalidRequest", text, ec="0014-00000080")
        for one, other in combinations(sorted(found, key=lambda action: action.rank), 2):
            if one.rank < other.rank and one.days is not None and other.days is not None and one.days >= other.days:
                text = f"{other.name} after {other.days} days must be later than {one.name} after {one.days}."
                raise invalid_argument("Days", str(other.days), text, ec="0014-00000082")


def _rule(node: ET.Element) -> LifecycleRule:
    status = node.findtext("Status")
    if status not in {"Enabled", "Disabled"}:
        raise _malformed(f"a rule has the Status {status!r}, not Enabled or Disabled")
    if not (actions := tuple(_actions(node))):
        raise _malformed("a rule has no action")
    size, limit = node.findtext("Filter/ObjectSizeGreaterThan"), node.findtext("Filter/ObjectSizeLessThan")
    exceptions = ((found.findtext("Prefix") or "", _tags(found)) for found in node.findall("Filter/Not"))
    return LifecycleRule(
        node.findtext("ID") or "",
        node.findtext("Prefix") or "",
        status == "Enabled",
        _tags(node),
        _number("ObjectSizeGreaterThan", size) + 1 if size else 0,
        _number("ObjectSizeLessThan", limit) if limit else None,
        tuple(exceptions),
        actions,
    )


def _actions(node: ET.Element) -> Iterator[LifecycleAction]:
    for kind in KINDS:
        for found in node.findall(kind):
            yield _action(kind, found)


def _action(kind: str, node: ET.Element) -> LifecycleAction:
    if kind == EXPIRATION and (node.findtext(MARKER_EXPIRATION) or "").lower() == "true":
        return LifecycleAction(MARKER_EXPIRATION, 0)
    storage_class = node.findtext("StorageClass") or ""
    if kind in {TRANSITION, OLD_TRANSITION} and storage_class not in CLASSES[1:]:
        text = f"The StorageClass of a transition must be one of {', '.join(CLASSES[1:])}."
        raise invalid_argument("StorageClass", storage_class, text)
    tags = ("Days", "NoncurrentDays", "CreatedBeforeDate", "Date")
    given = [(tag, found) for tag in tags if (found := node.findtext(tag))]
    if len(given) != 1:
        raise _malformed(f"{kind} must have either days or a date")
    [(tag, text)] = given
    if tag in {"Days", "NoncurrentDays"}:
        return LifecycleAction(kind, _number(tag, text), storage_class=storage_class)
    moment = _date(tag, text)
    if tag == "Date":
        return LifecycleAction(kind, date=moment, storage_class=storage_class)
    return LifecycleAction(kind, created_before=moment, storage_class=storage_class)


def _tags(node: ET.Element) -> frozenset[tuple[str, str]]:
    """Return tags; OSS refuses characters that no tag can have, but not a length (vendor's tests, Python 2.19.1)."""
    tags = frozenset((found.findtext("Key") or "", found.findtext("Value") or "") for found in node.findall("Tag"))
    for text in {text for tag in tags for text in tag}:
        if not CHARACTERS.fullmatch(text):
            raise invalid_argument("Tag", text, f"{text!r} has characters that a tag cannot have.")
    return tags


def _number(tag: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) < 1 << 40:
        raise invalid_argument(tag, text, f"{tag} must be a positive integer.")
    return int(text)


def _date(tag: str, text: str) -> datetime:
    """Parse a date; OSS accepts midnight in UTC only."""
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        found = None
    if not found or (found.hour, found.minute, found.second) != (0, 0, 0):
        raise invalid_argument(tag, text, f"{tag} must be midnight in UTC, such as 2026-11-30T00:00:00.000Z.")
    return found


def _malformed(why: str) -> ServiceError:
    text = f"The XML you provided was not well-formed or did not validate: LifecycleConfiguration: {why}."
    return ServiceError(400, "MalformedXML", text)
