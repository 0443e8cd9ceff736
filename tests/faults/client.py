"""What users of the cloud can do and see, with the vendor's SDKs and nothing of ours."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import oss2
from mns.account import Account
from mns.mns_exception import MNSExceptionBase

Done = TypeVar("Done")
PATIENCE_S = 120.0
BATCH = 16


class Outside:
    """A bucket and a queue, seen by somebody who tries again while the cloud is busy, or dead."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.key = env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]
        session = oss2.Session(pool_size=8)
        auth, region = oss2.AuthV4(*self.key), env["OSS_REGION"]
        bucket, endpoint = env["CLIPSTITCH_BUCKET"], env["OSS_ENDPOINT"]
        self._bucket = oss2.Bucket(auth, endpoint, bucket, session=session, region=region, connect_timeout=30)
        self._queue = Account(env["MNS_ENDPOINT"], *self.key).get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])

    def put(self, key: str, body: bytes) -> str:
        """Upload an object exactly once, whatever the cloud answers, and return its ETag."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self._bucket.put_object(key, body)
            except oss2.exceptions.OssError as error:
                _only_if_busy(error)
            else:
                return etag
            if self.etag(key) == etag:
                return etag  # it had happened, though nobody said so
        raise TimeoutError(f"{key} could not be uploaded")

    def etag(self, key: str) -> str:
        """Return an object's ETag; nothing when there is no such object."""
        return self.describe(key)[0]

    def describe(self, key: str) -> tuple[str, Mapping[str, str]]:
        """Return an object's ETag and headers; empty ones when there is no such object."""
        try:
            found = _surely(lambda: self._bucket.head_object(key))
        except oss2.exceptions.NotFound:
            return "", {}
        return found.etag.strip('"').upper(), {name.lower(): value for name, value in found.headers.items()}

    def read(self, key: str) -> bytes | None:
        """Return an object, if it is there."""
        try:
            return _surely(lambda: self._bucket.get_object(key).read())
        except oss2.exceptions.NoSuchKey:
            return None

    def document(self, key: str) -> dict[str, Any]:
        """Return a JSON object; an empty one when it is not there."""
        body = self.read(key)
        return json.loads(body) if body else {}

    def remove(self, key: str) -> None:
        """Remove an object."""
        _surely(lambda: self._bucket.delete_object(key))

    def keys(self, prefix: str) -> list[str]:
        """List keys."""
        return _surely(lambda: [found.key for found in oss2.ObjectIteratorV2(self._bucket, prefix, max_keys=1000)])

    def events(self) -> Iterator[str]:
        """Take all events out of the queue that are there now."""
        while batch := self._receive():
            for message in batch:
                yield message.message_body if isinstance(message.message_body, str) else message.message_body.decode()
            self._queue.batch_delete_message([message.receipt_handle for message in batch])

    def _receive(self) -> list[Any]:
        """Receive what there is, up to one batch."""
        try:
            return list(self._queue.batch_receive_message(BATCH))
        except MNSExceptionBase as error:
            if getattr(error, "type", "") == "MessageNotExist":
                return []
            raise


def _surely(act: Callable[[], Done]) -> Done:
    """Do something until the cloud answers; what it says then counts."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except oss2.exceptions.OssError as error:
            _only_if_busy(error)
            if time.monotonic() > deadline:
                raise


def _only_if_busy(error: Any) -> None:
    """Wait a moment if an error is one that passes; raise it otherwise."""
    if 0 < error.status < 500:
        raise error
    time.sleep(0.1)
