"""Lists the versions in a bucket by pages: by key, and from new to old. Stores nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from localyun.oss.rows import CURRENT, ObjectRows
from localyun.oss.store import after_all
from localyun.oss.values import ListedVersion, VersionListing, common_prefix

PAGE_ROWS = 200
_NEWEST = CURRENT + 1  # before the newest version of a key


@dataclass(frozen=True)
class VersionQuery:
    """What a page of versions has: the first ones after a key, or after one version of it, that match."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    after_key: str = ""
    after_version: str = ""
    limit: int = 100


def list_versions(rows: ObjectRows, query: VersionQuery) -> VersionListing:
    """Return one page of versions and common prefixes."""
    page, last = VersionListing(), ("", "")
    for entry in _entries(rows, query):
        if len(page.versions) + len(page.prefixes) >= query.limit:
            return replace(page, next_key=last[0], next_version=last[1])
        if isinstance(entry, ListedVersion):
            page.versions.append(entry)
            last = (entry.stored.key, entry.stored.version)
        else:
            page.prefixes.append(entry)
            last = (entry, "")
    return page


def _entries(rows: ObjectRows, query: VersionQuery) -> Iterator[ListedVersion | str]:
    """Yield versions and common prefixes in order, skipping the keys with a common prefix."""
    prefix, delimiter, after = query.prefix.encode(), query.delimiter.encode(), query.after_key.encode()
    first = _start(rows, query)
    start: tuple[bytes, int] | None = first
    previous = first[0] if first[1] != _NEWEST else None
    while start is not None:
        found = rows.version_page(query.bucket, *start, PAGE_ROWS)
        start = None
        for key, _, stored in found:
            if not key.startswith(prefix):
                return
            if group := common_prefix(key, prefix, delimiter):
                if group > after:
                    yield group.decode()
                start = (after_all(group), _NEWEST)
                break
            yield ListedVersion(stored, key != previous)
            previous = key
        else:
            start = found[-1][:2] if len(found) == PAGE_ROWS else None


def _start(rows: ObjectRows, query: VersionQuery) -> tuple[bytes, int]:
    """Return the key and the sequence after which a page begins; all versions of an unknown version's key follow."""
    prefix, after = query.prefix.encode(), query.after_key.encode()
    if not after or after < prefix:
        return prefix, _NEWEST
    if not query.after_version:
        return after + b"\0", _NEWEST
    return after, rows.sequence(query.bucket, query.after_key, query.after_version) or _NEWEST
