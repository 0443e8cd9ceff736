"""A client of the bucket and the events queue; it uses the vendor's SDKs only, and retries while the cloud is down."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import oss2
from mns.account import Account
from mns.mns_exception import MNSExceptionBase

Value = TypeVar("Value")
RETRY_S = 120.0
BATCH = 16


class Client:
    """A bucket and a queue. Each OSS call is retried for up to `RETRY_S` seconds while the cloud fails or is down."""

    def __init__(self, env: Mapping[str, str]) -> None:
        key = env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]
        session = oss2.Session(pool_size=8)
        auth, region = oss2.AuthV4(*key), env["OSS_REGION"]
        bucket, endpoint = env["CLIPSTITCH_BUCKET"], env["OSS_ENDPOINT"]
        self._bucket = oss2.Bucket(auth, endpoint, bucket, session=session, region=region, connect_timeout=30)
        self._queue = Account(env["MNS_ENDPOINT"], *key).get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])

    def put(self, key: str, body: bytes) -> str:
        """Upload an object exactly once and return its ETag. Raises TimeoutError after `RETRY_S` seconds."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
        deadline = time.monotonic() + RETRY_S
        while time.monotonic() < deadline:
            try:
                self._bucket.put_object(key, body)
            except oss2.exceptions.OssError as error:
                _wait_if_transient(error)
            else:
                return etag
            if self.etag(key) == etag:
                return etag  # the upload succeeded, only its response was lost
        raise TimeoutError(f"{key} could not be uploaded")

    def etag(self, key: str) -> str:
        """Return an object's ETag, or an empty string if there is no such object."""
        try:
            found = _retried(lambda: self._bucket.head_object(key))
        except oss2.exceptions.NotFound:
            return ""
        return str(found.etag).strip('"').upper()

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None if there is no such object."""

        def read() -> bytes:
            body: bytes = self._bucket.get_object(key).read()
            return body

        try:
            return _retried(read)
        except oss2.exceptions.NoSuchKey:
            return None

    def document(self, key: str) -> dict[str, Any]:
        """Return a JSON object, or an empty one if there is no such object."""
        body = self.read(key)
        return json.loads(body) if body else {}

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        return _retried(lambda: [found.key for found in oss2.ObjectIteratorV2(self._bucket, prefix, max_keys=1000)])

    def events(self) -> Iterator[str]:
        """Yield and delete all events that are in the queue now."""
        while batch := self._receive():
            for message in batch:
                yield message.message_body if isinstance(message.message_body, str) else message.message_body.decode()
            self._queue.batch_delete_message([message.receipt_handle for message in batch])

    def _receive(self) -> list[Any]:
        try:
            return list(self._queue.batch_receive_message(BATCH))
        except MNSExceptionBase as error:
            if getattr(error, "type", "") == "MessageNotExist":
                return []
            raise


def _retried(call: Callable[[], Value]) -> Value:
    """Retry a call while its errors are transient, for up to `RETRY_S` seconds. Other errors are raised."""
    deadline = time.monotonic() + RETRY_S
    while True:
        try:
            return call()
        except oss2.exceptions.OssError as error:
            _wait_if_transient(error)
            if time.monotonic() > deadline:
                raise


def _wait_if_transient(error: Any) -> None:
    if 0 < error.status < 500:
        raise error
    time.sleep(0.1)
