"""Objects, audio/info and audio/concat through `oss2`."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from clipstitch.adapters.backoff import Backoff
from clipstitch.adapters.oss2_import import HTTPException, oss2
from clipstitch.adapters.oss_listing import FastListingBucket
from clipstitch.adapters.threads import MAX_CONCURRENT, ThreadWorkers
from clipstitch.common import ports
from clipstitch.common.cloud_errors import classify, is_not_audio
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, NotAudio, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import PAGE

TIMEOUT_S = 20
# OSS, "CopyObject", 2026: above 1 GB a copy has to be made in parts.
SINGLE_COPY_BYTES = 1 << 30
COPY_PART_BYTES = 256 << 20
_META, _ONCE, _IF_SAME = "x-oss-meta-", "x-oss-forbid-overwrite", "x-oss-copy-source-if-match"
# What the SDK raises while it reads a response: errors of `requests` (OSError) and HTTPException if the body is cut
# short; ElementTree's ParseError (a SyntaxError), RuntimeError and ValueError if it is not the expected document.
_UNREADABLE = (OSError, HTTPException, SyntaxError, RuntimeError, ValueError)


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Raise every SDK error as a ClipstitchError that says what was being done."""
    try:
        yield
    except oss2.exceptions.PreconditionFailed as error:  # the only conditional requests are copies
        raise CloudBusy(f"{doing}: the source was replaced meanwhile") from error
    except oss2.exceptions.OssError as error:
        raise _translate(error, doing) from error
    except (NotImplementedError, UnicodeEncodeError):  # of `oss2_import`; of the request
        raise
    except _UNREADABLE as error:
        raise CloudBusy(f"{doing}: unreadable response: {type(error).__name__}: {error}") from error


def _translate(error: Any, doing: str) -> ClipstitchError:
    code, message = str(error.code or ""), str(getattr(error, "message", "") or error.body or error)
    return classify(error.status, code, message)(f"{doing}: {describe_error(error)}")


def describe_error(error: Any) -> str:
    """Return code, status and message of an SDK error; if there was no response, the reason."""
    if wrapped := getattr(error, "exception", None):
        return f"no response: {_reason(wrapped)}"
    return f"{error.code or 'no response'} ({error.status}): {error.message or error.body or error}"


def _reason(wrapped: Exception) -> object:
    """Return the cause of a connection error. Every library wraps it, one with the whole URL."""
    inner = next(iter(wrapped.args), wrapped)
    return getattr(inner, "reason", None) or inner


class OssBuckets:
    """Buckets by name, which share one connection pool."""

    def __init__(self, endpoint: str, region: str, key: AccessKey) -> None:
        provider = oss2.credentials.StaticCredentialsProvider(key.id, key.secret, key.token)
        self._auth = oss2.ProviderAuthV4(provider)
        self._endpoint = endpoint
        self._region = region
        self._session = oss2.Session(pool_size=MAX_CONCURRENT)

    def __call__(self, name: str) -> Any:
        """Return the bucket of the SDK."""
        return FastListingBucket(
            self._auth,
            self._endpoint,
            name,
            session=self._session,
            connect_timeout=TIMEOUT_S,
            region=self._region,
            is_cname=is_custom_domain(self._endpoint),
        )


def is_custom_domain(endpoint: str) -> bool:
    """Return True if an endpoint is a domain bound to one bucket, whose requests do not name the bucket again.

    >>> [is_custom_domain(host) for host in ("https://oss-cn-hangzhou.aliyuncs.com", "http://[::1]:80", "cdn.example")]
    [False, False, True]
    """
    host = (urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname or "").rstrip(".")
    is_address = ":" in host or host.replace(".", "").isdecimal()
    return not is_address and host != "localhost" and not host.endswith((".aliyuncs.com", ".localhost"))


class OssObjectStore:
    """The `ObjectStore` port on OSS. Above `single_bytes` a copy is made in parts of `part_bytes`, several at once."""

    def __init__(
        self, buckets: OssBuckets, single_bytes: int = SINGLE_COPY_BYTES, part_bytes: int = COPY_PART_BYTES
    ) -> None:
        self._bucket = buckets
        self._single_bytes = single_bytes
        self._part_bytes = part_bytes

    def read(self, ref: ObjectRef, limit: int | None = None) -> ports.ObjectContent:
        """Return an object with at most `limit` bytes of its content; raise `ObjectNotFound` if there is none."""
        with translated_errors(f"reading {ref.uri}"):
            got = self._bucket(ref.bucket).get_object(ref.key)
            try:
                body = _whole_body(got, limit)
                if len(body) == got.content_length and got.server_crc not in (None, got.client_crc):
                    raise CloudBusy(f"{ref.uri}: {len(body)} bytes were received, but not those of its CRC-64")
                return ports.ObjectContent(_described(got), body)
            finally:
                got.close()

    def describe(self, ref: ObjectRef) -> ports.ObjectInfo:
        """Return the metadata of an object; raise `ObjectNotFound` if there is none."""
        with translated_errors(f"looking at {ref.uri}"):
            return _described(_head(self._bucket(ref.bucket), ref))

    def write(self, ref: ObjectRef, body: bytes, labels: ports.ObjectHeaders, *, once: bool = False) -> bool:
        """Write an object; with `once`, raise `AlreadyExists` if there is one. Return True if the bucket is versioned.

        OSS, "PutObject" and "Versioning", 2026: only then the response has a version id, "null" if it was suspended.
        """
        with translated_errors(f"writing {ref.uri}"):
            put = self._bucket(ref.bucket).put_object(ref.key, body, headers=object_headers(labels, once=once))
        return "x-oss-version-id" in put.headers

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        labels: ports.ObjectHeaders,
        *,
        once: bool = False,
        front: ports.HeadReplacement | None = None,
        size: int = 0,
    ) -> ports.CopiedObject:
        """Copy one version of an object inside OSS: in one request, or in parts if it is large or its head is replaced.

        Raises `CloudBusy` if the source is replaced meanwhile.
        """
        with translated_errors(f"copying {source.uri} to {target.uri}"):
            headers, same = object_headers(labels, once=once), dict[str, str]()
            if front or not 0 < size <= self._single_bytes:
                head = _head(self._bucket(source.bucket), source)
                about, same = _described(head), {_IF_SAME: head.etag}
                size = about.size
                if front and front.etag not in ("", about.etag):
                    raise CloudBusy(f"{source.uri} was replaced after its head was read")
                if front or size > self._single_bytes:
                    return self._copy_parts(source, target, headers, size, same, front or ports.HeadReplacement(b""))
            headers |= {"x-oss-metadata-directive": "REPLACE", **same}
            made = self._bucket(target.bucket).copy_object(source.bucket, source.key, target.key, headers=headers)
            return ports.CopiedObject(_bare(made.etag), size)

    def _copy_parts(
        self,
        source: ObjectRef,
        target: ObjectRef,
        headers: dict[str, str],
        size: int,
        same: dict[str, str],
        front: ports.HeadReplacement,
    ) -> ports.CopiedObject:
        """Copy in parts; the object becomes visible once all parts are complete. Parts of a failed copy are deleted.

        `same` is the condition that the source of `size` bytes is not replaced meanwhile.
        """
        bucket = self._bucket(target.bucket)
        upload = bucket.init_multipart_upload(target.key, headers=headers).upload_id
        starts = range(front.replaces, size, self._part_bytes)
        spans = [(start, min(start + self._part_bytes, size) - 1) for start in starts]

        def copy_part(part: tuple[int, tuple[int, int]]) -> Any:
            number, span = part
            # Each part is a request of its own: without the condition, parts of two versions could be combined.
            return bucket.upload_part_copy(source.bucket, source.key, span, target.key, upload, number, headers=same)

        try:
            first = [bucket.upload_part(target.key, upload, 1, front.body)] if front.body else []
            copied = ThreadWorkers().map(copy_part, enumerate(spans, start=len(first) + 1))
            listed = [oss2.models.PartInfo(number, part.etag) for number, part in enumerate([*first, *copied], start=1)]
            once = {name: value for name, value in headers.items() if name == _ONCE}
            made = bucket.complete_multipart_upload(target.key, upload, listed, headers=once)
        except Exception:
            with suppress(oss2.exceptions.OssError, *_UNREADABLE):  # otherwise the bucket's lifecycle rule deletes them
                bucket.abort_multipart_upload(target.key, upload)
            raise
        return ports.CopiedObject(_bare(made.etag), size - front.replaces + len(front.body))

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Delete objects, up to 1,000 per request; missing objects are ignored."""
        by_bucket: dict[str, list[str]] = {}
        for ref in refs:
            by_bucket.setdefault(ref.bucket, []).append(ref.key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), PAGE):
                with translated_errors(f"deleting {len(keys)} objects of {bucket}"):
                    self._bucket(bucket).batch_delete_objects(keys[start : start + PAGE])

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ports.ListedObject]:
        """Yield the objects below a prefix whose keys come after `after`, in the order of their keys."""
        yield from self._listed(bucket, prefix, start_after=after)

    def list_folders(self, bucket: str, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the names, greater than `after`, of the folders directly below a prefix that ends in a slash."""
        for found in self._listed(bucket, prefix, delimiter="/", start_after=prefix + after if after else ""):
            # A folder called `after` has a slash, so OSS lists it.
            if not isinstance(found, ports.ListedObject) and (name := found.key.removeprefix(prefix)[:-1]) > after:
                yield name

    def _listed(self, bucket: str, prefix: str, **options: str) -> Iterator[Any]:
        """Yield the entries of a listing, 1,000 per request."""
        with translated_errors(f"listing oss://{bucket}/{prefix}"):
            yield from oss2.ObjectIteratorV2(
                self._bucket(bucket), prefix=prefix, max_keys=PAGE, max_retries=1, **options
            )

    def is_versioned(self, bucket: str) -> bool:
        """Return True if the bucket has, or had, versioning."""
        with translated_errors(f"asking for the versioning of {bucket}"):
            found = self._bucket(bucket).get_bucket_versioning()
            if not found.request_id:  # any XML would do for the SDK, and mean that there is none
                raise CloudBusy(f"{bucket}: the response has no request id: it is not an answer of OSS")
            return found.status is not None


def object_headers(labels: ports.ObjectHeaders, *, once: bool) -> dict[str, str]:
    """Return the headers of a request that writes an object."""
    headers = {_META + name: value for name, value in labels.meta.items()}
    headers["Content-Type"] = labels.content_type
    if once:
        headers[_ONCE] = "true"
    return headers


def _head(bucket: Any, ref: ObjectRef) -> Any:
    """Return the headers of an object. A response to HEAD has no body, and may have no error code either."""
    try:
        return bucket.head_object(ref.key)
    except oss2.exceptions.OssError as error:
        if error.status == 404 and not error.code:
            raise ObjectNotFound(f"{ref.uri} does not exist") from error
        raise


def _whole_body(got: Any, limit: int | None = None) -> bytes:
    """Return the body of a response, or its first bytes. Raises `CloudBusy` if it is cut short.

    Not all versions of the libraries below check that, and none does if less than the whole body is read.
    """
    body: bytes = got.read() if limit is None else got.read(limit)
    due = got.content_length if limit is None else min(limit, got.content_length or 0)
    if due is not None and len(body) < due:
        raise CloudBusy(f"the response of OSS ends after {len(body)} of {due} bytes")
    return body


def _described(result: Any) -> ports.ObjectInfo:
    meta = {
        name.lower().removeprefix(_META): value
        for name, value in result.headers.items()
        if name.lower().startswith(_META)
    }
    if result.etag is None or result.last_modified is None or result.content_length is None:
        raise CloudBusy("the response lacks ETag, Last-Modified or Content-Length: it is not an answer of OSS")
    modified = datetime.fromtimestamp(result.last_modified, timezone.utc)
    return ports.ObjectInfo(_bare(result.etag), int(result.content_length), modified, meta)


def _bare(etag: str | None) -> str:
    """Return an ETag without quotes. Raises `CloudBusy` if a response has none."""
    if etag is None:
        raise CloudBusy("the response lacks an ETag: it is not an answer of OSS")
    return etag.strip('"').upper()


TaskLookup = Callable[[str], ports.TaskOutcome | ports.TaskRunning | None]


class OssAudioService:
    """The `AudioService` port on audio/info and asynchronous processing.

    OSS cannot tell how a task ended; `task_lookup` can, if IMM is configured. Throttled calls are retried.
    """

    def __init__(
        self,
        buckets: Callable[[str], Any],
        task_lookup: TaskLookup = lambda _task_id: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._bucket = buckets
        self._backoff = backoff or Backoff()
        self.task_outcome = task_lookup

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, ports.Probe | ClipstitchError]:
        """Probe every object, several at once."""
        return dict(zip(refs, ThreadWorkers().map(self._probe, refs), strict=True))

    def _probe(self, ref: ObjectRef) -> ports.Probe | ClipstitchError:
        try:
            return self._backoff(lambda: self._info(ref))
        except ClipstitchError as error:
            return error

    def _info(self, ref: ObjectRef) -> ports.Probe:
        """Probe once. The response has the ETag of the object (the page that `_read_probe` names); if not, HEAD has.

        The CRC-64 of the response is that of the object, too.
        """
        with translated_errors(f"probing {ref.uri}"):
            bucket = self._bucket(ref.bucket)
            try:
                got = bucket.get_object(ref.key, process="audio/info")
                probe = _read_probe(_whole_body(got), ref)
            except oss2.exceptions.OssError as error:
                if is_not_audio(str(error.code), str(error.ec), str(error.message)):
                    raise NotAudio(describe_error(error)) from error
                raise
            etag = got.headers.get("ETag") or _head(bucket, ref).etag
        return probe._replace(etag=_bare(etag))

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a process on an object and return the task id."""
        return self._backoff(lambda: self._start(main, process))

    def _start(self, main: ObjectRef, process: str) -> str:
        """Start a process once. A response without a TaskId is treated as a busy cloud."""
        with translated_errors(f"starting {process[:60]}… on {main.uri}"):
            task = _started(self._bucket(main.bucket).async_process_object, main, process)
        if not task:
            raise CloudBusy(f"starting on {main.uri}: the response has no TaskId")
        return task


def _started(post: Callable[[str, str], Any], main: ObjectRef, process: str) -> str:
    """Post the process. Responses without ids were reported publicly; the SDK raises KeyError for them."""
    with suppress(KeyError, ValueError):
        return str(post(main.key, process).task_id or "")
    return ""


def _read_probe(answer: bytes, ref: ObjectRef) -> ports.Probe:
    """Parse the response of audio/info (OSS user guide, "Extract audio information", page dated 2026-03-20).

    Raises `NotAudio` if it describes no audio stream, `CloudBusy` if it is not a response of audio/info.
    """
    try:
        info = json.loads(answer)
    except ValueError as error:
        raise CloudBusy(f"probing {ref.uri}: the response ({len(answer)} bytes) is not JSON: {error}") from error
    try:
        stream = info["AudioStreams"][0]
        return ports.Probe(
            duration_s=float(stream.get("Duration") or info["Duration"]),
            sample_rate=int(stream["SampleRate"]),
            channels=int(stream["Channels"]),
            bitrate=int(float(stream.get("Bitrate") or info.get("Bitrate") or 0)),
            bits=24 if _is_deep(stream) else 16,
            container=str(info.get("FormatName") or ""),
            codec=str(stream.get("CodecName") or ""),
            start_s=float(stream.get("StartTime") or info.get("StartTime") or 0),
            size=int(info.get("Size") or 0),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NotAudio(f"audio/info finds no audio stream in {ref.uri} ({error})") from error


def _is_deep(stream: Mapping[str, Any]) -> bool:
    """Return True if a stream has more than 16 bits. The sample format of a lossy codec says nothing about that."""
    lossless = str(stream.get("CodecName", "")).startswith(("pcm_", "flac", "alac", "ape", "wavpack", "tta"))
    return lossless and str(stream.get("SampleFormat", "")).startswith(("s24", "s32", "s64", "flt", "dbl"))
