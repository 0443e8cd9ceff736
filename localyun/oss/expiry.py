"""Applies lifecycle rules to the objects and uploads of buckets. Knows no HTTP.

OSS applies rules once a day. Here the first request of each minute does, by the clock of the local cloud.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.oss.lifecycle import (
    ABORT,
    CLASSES,
    EXPIRATION,
    MARKER_EXPIRATION,
    OLD_EXPIRATION,
    OLD_TRANSITION,
    TRANSITION,
    LifecycleAction,
    LifecycleRule,
    parse_rules,
)
from localyun.oss.service import ObjectService
from localyun.oss.values import INTERNAL, ListedVersion, StoredObject
from localyun.oss.versions import VersionQuery
from localyun.xml import parse

NAME = "lifecycle"  # of the configuration
INTERVAL = timedelta(minutes=1)
PAGE = 1000


class Expiry:
    """The lifecycle of all objects. Safe to use from many threads."""

    def __init__(self, objects: ObjectService, clock: CloudClock) -> None:
        self._objects = objects
        self._clock = clock
        self._running = threading.Lock()
        self._next = clock.now()

    def apply_if_due(self) -> None:
        """Apply the rules of all buckets, unless that was done less than a minute ago or is being done."""
        now = self._clock.now()
        if now < self._next or not self._running.acquire(blocking=False):
            return
        try:
            self._next = now + INTERVAL
            for bucket in self._objects.buckets():
                if document := self._objects.configurations.get(bucket.name, NAME):
                    self._apply(bucket.name, parse_rules(parse(document.decode())), now)
        finally:
            self._running.release()

    def apply_soon(self) -> None:
        """Apply the rules with the next request."""
        self._next = self._clock.now()

    def _apply(self, bucket: str, rules: Sequence[LifecycleRule], now: datetime) -> None:
        listing = list(self._versions(bucket))
        counts = Counter(listed.stored.key for listed in listing)
        newer = None
        for listed in listing:
            found = listed.stored
            since = newer.last_modified if newer and not listed.is_latest else found.last_modified
            due = [action for action in _actions(rules, found) if action.is_due(since, now)]
            with suppress(ServiceError):  # it may be deleted meanwhile
                self._act(listed, due, is_alone=counts[found.key] == 1)
            newer = found
        for upload in self._objects.uploads.unfinished(bucket):
            matching = (rule for rule in rules if rule.is_enabled and upload.key.startswith(rule.prefix))
            actions = [action for rule in matching for action in rule.actions if action.kind == ABORT]
            if any(action.is_due(upload.initiated, now) for action in actions):
                with suppress(ServiceError):
                    self._objects.uploads.abort(upload, INTERNAL)

    def _act(self, listed: ListedVersion, due: Sequence[LifecycleAction], *, is_alone: bool) -> None:
        """Delete a version, or else change its storage class, as the actions that are due say."""
        found, kinds = listed.stored, {action.kind for action in due}
        deletes, changes = (EXPIRATION, TRANSITION) if listed.is_latest else (OLD_EXPIRATION, OLD_TRANSITION)
        if found.is_delete_marker and listed.is_latest:
            deletes = MARKER_EXPIRATION if is_alone else ""
        if deletes in kinds:
            is_object = listed.is_latest and not found.is_delete_marker
            self._objects.delete(found.bucket, found.key, "" if is_object else found.version)
        elif not found.is_delete_marker:
            self._transition(found, [action for action in due if action.kind == changes])

    def _transition(self, found: StoredObject, due: Sequence[LifecycleAction]) -> None:
        """Give a version the coldest of the storage classes that are due; none becomes warmer."""
        coldest = max((action.rank for action in due), default=0)
        if coldest > CLASSES.index(found.storage_class):
            storage_class = CLASSES[coldest]
            self._objects.set_headers(found.bucket, found.key, found.version, x_oss_storage_class=storage_class)

    def _versions(self, bucket: str) -> Iterator[ListedVersion]:
        key = version = ""
        while True:
            page = self._objects.versions(VersionQuery(bucket, "", "", key, version, PAGE))
            yield from page.versions
            key, version = page.next_key, page.next_version
            if not key:
                return


def _actions(rules: Sequence[LifecycleRule], found: StoredObject) -> list[LifecycleAction]:
    return [action for rule in rules if rule.matches(found) for action in rule.actions]
