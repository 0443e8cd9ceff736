"""Objects and audio through `oss2`. The only module that knows OSS's SDK; every error leaves it as one of ours."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, TypeVar

from clipstitch.adapters.backoff import Backoff
from clipstitch.adapters.oss2_import import oss2
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused, NotAudio, ProcessRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import (
    CopiedObject,
    HeadReplacement,
    ListedObject,
    ObjectContent,
    ObjectHeaders,
    ObjectInfo,
    Probe,
    TaskOutcome,
    TaskRunning,
)

TIMEOUT_S = 20
AT_ONCE = 8
PAGE = 1000
# OSS, "CopyObject", 2026: above 1 GB a copy has to be made in parts.
SINGLE_COPY_BYTES = 1 << 30
COPY_PART_BYTES = 256 << 20
_META = "x-oss-meta-"
T = TypeVar("T")


@contextmanager
def _ours(doing: str) -> Iterator[None]:
    """Let no SDK error past; say what we were doing."""
    try:
        yield
    except oss2.exceptions.OssError as error:
        raise _translate(error, doing) from error


def _translate(error: Any, doing: str) -> ClipstitchError:
    """Turn an SDK error into ours, by status and code."""
    code, message = str(error.code or ""), str(getattr(error, "message", "") or error.body or error)
    return classify(error.status, code, message)(f"{doing}: {said(error)}")


def said(error: Any) -> str:
    """Say what an SDK error says: code, status and message; without an answer, why there is none."""
    if wrapped := getattr(error, "exception", None):
        return f"no answer: {_reason(wrapped)}"
    return f"{error.code or 'no answer'} ({error.status}): {error.message or error.body or error}"


def _reason(wrapped: Exception) -> object:
    """Find what went wrong on the way; each library that passed it on has wrapped it, one with the whole URL."""
    inner = next(iter(wrapped.args), wrapped)
    return getattr(inner, "reason", None) or inner


class OssBuckets:
    """Buckets by name, sharing one connection pool. Shared by the two adapters below."""

    def __init__(self, endpoint: str, region: str, key: AccessKey) -> None:
        provider = oss2.credentials.StaticCredentialsProvider(key.id, key.secret, key.token)
        self._auth = oss2.ProviderAuthV4(provider)
        self._endpoint = endpoint
        self._region = region
        self._session = oss2.Session(pool_size=AT_ONCE)

    def __call__(self, name: str) -> Any:
        """Return the SDK's bucket of that name."""
        return oss2.Bucket(
            self._auth,
            self._endpoint,
            name,
            session=self._session,
            connect_timeout=TIMEOUT_S,
            region=self._region,
        )


class OssObjectStore:
    """The `ObjectStore` port on OSS. Above `single_bytes` a copy is made in parts of `part_bytes`, several at once."""

    def __init__(
        self, buckets: OssBuckets, single_bytes: int = SINGLE_COPY_BYTES, part_bytes: int = COPY_PART_BYTES
    ) -> None:
        self._bucket = buckets
        self._single_bytes = single_bytes
        self._part_bytes = part_bytes

    def read(self, ref: ObjectRef, limit: int | None = None) -> ObjectContent:
        """Return an object with at most `limit` bytes of its content; `ObjectNotFound` when there is none."""
        with _ours(f"reading {ref.uri}"):
            got = self._bucket(ref.bucket).get_object(ref.key)
            body = got.read() if limit is None else got.read(limit)
            got.close()
        return ObjectContent(_described(got), body)

    def describe(self, ref: ObjectRef) -> ObjectInfo:
        """Return an object without its content; `ObjectNotFound` when there is none."""
        with _ours(f"looking at {ref.uri}"):
            return _described(self._bucket(ref.bucket).head_object(ref.key))

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> None:
        """Store an object; with `once`, `AlreadyExists` when the name is taken."""
        with _ours(f"writing {ref.uri}"):
            self._bucket(ref.bucket).put_object(ref.key, body, headers=_headers(labels, once=once))

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        labels: ObjectHeaders,
        *,
        once: bool = False,
        front: HeadReplacement | None = None,
    ) -> CopiedObject:
        """Copy inside the cloud: in one request, or in parts where it is large or gets a front."""
        with _ours(f"copying {source.uri} to {target.uri}"):
            size = self._bucket(source.bucket).head_object(source.key).content_length
            headers = _headers(labels, once=once)
            if front or size > self._single_bytes:
                return self._copy_parts(source, target, headers, size, front or HeadReplacement(b""))
            headers["x-oss-metadata-directive"] = "REPLACE"
            made = self._bucket(target.bucket).copy_object(source.bucket, source.key, target.key, headers=headers)
            return CopiedObject(_bare(made.etag), size)

    def _copy_parts(
        self, source: ObjectRef, target: ObjectRef, headers: dict[str, str], size: int, front: HeadReplacement
    ) -> CopiedObject:
        """Copy in parts; the object appears only when all of them are there."""
        bucket = self._bucket(target.bucket)
        upload = bucket.init_multipart_upload(target.key, headers=headers).upload_id
        first = [bucket.upload_part(target.key, upload, 1, front.body)] if front.body else []
        starts = range(front.replaces, size, self._part_bytes)
        spans = [(start, min(start + self._part_bytes, size) - 1) for start in starts]

        def copy_part(number: int, span: tuple[int, int]) -> Any:
            return bucket.upload_part_copy(source.bucket, source.key, span, target.key, upload, number)

        copied = _all_at_once(copy_part, range(len(first) + 1, len(first) + len(spans) + 1), spans)
        listed = [oss2.models.PartInfo(number, part.etag) for number, part in enumerate([*first, *copied], start=1)]
        once = {name: value for name, value in headers.items() if name == _ONCE}
        made = bucket.complete_multipart_upload(target.key, upload, listed, headers=once)
        return CopiedObject(_bare(made.etag), size - front.replaces + len(front.body))

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Remove objects, up to 1,000 a request; removing nothing is fine."""
        by_bucket: dict[str, list[str]] = {}
        for ref in refs:
            by_bucket.setdefault(ref.bucket, []).append(ref.key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), PAGE):
                with _ours(f"deleting {len(keys)} objects of {bucket}"):
                    self._bucket(bucket).batch_delete_objects(keys[start : start + PAGE])

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with a prefix and come after a key, in the order of their keys."""
        for found in self._listed(bucket, prefix, start_after=after):
            modified = datetime.fromtimestamp(found.last_modified, timezone.utc)
            yield ListedObject(found.key, found.size, modified, _bare(found.etag))

    def list_folders(self, bucket: str, prefix: str) -> Sequence[str]:
        """Name the folders right below a prefix that ends in a slash, in order."""
        found = self._listed(bucket, prefix, delimiter="/")
        return [each.key.removeprefix(prefix)[:-1] for each in found if each.is_prefix()]

    def _listed(self, bucket: str, prefix: str, **options: str) -> Iterator[Any]:
        """Yield what a listing finds, a thousand a request."""
        with _ours(f"listing oss://{bucket}/{prefix}"):
            yield from oss2.ObjectIteratorV2(
                self._bucket(bucket), prefix=prefix, max_keys=PAGE, max_retries=1, **options
            )

    def is_versioned(self, bucket: str) -> bool:
        """Say whether the bucket has, or had, versioning."""
        with _ours(f"asking for the versioning of {bucket}"):
            return self._bucket(bucket).get_bucket_versioning().status is not None


def _all_at_once(call: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    """Make a call for each set of arguments, several at once, and return the answers in order."""
    if len(arguments[0]) < 2:
        return [call(*each) for each in zip(*arguments, strict=True)]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most invocations never need it

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, *arguments))


_ONCE = "x-oss-forbid-overwrite"


def _headers(labels: ObjectHeaders, *, once: bool) -> dict[str, str]:
    """Spell labels, and create-once, as OSS's headers."""
    headers = {_META + name: value for name, value in labels.meta.items()}
    headers["Content-Type"] = labels.content_type
    if once:
        headers[_ONCE] = "true"
    return headers


def _described(result: Any) -> ObjectInfo:
    """Read what a GET or HEAD says about an object."""
    meta = {
        name.lower().removeprefix(_META): value
        for name, value in result.headers.items()
        if name.lower().startswith(_META)
    }
    modified = datetime.fromtimestamp(result.last_modified, timezone.utc)
    return ObjectInfo(_bare(result.etag), int(result.content_length or 0), modified, meta)


def _bare(etag: str) -> str:
    """Return an ETag without its quotes."""
    return etag.strip('"').upper()


TaskLookup = Callable[[str], TaskOutcome | TaskRunning | None]


class OssAudioService:
    """The `AudioService` port on OSS's audio/info and asynchronous processing.

    OSS itself cannot tell how a task ended; `ask` can, where IMM is configured. IMM has limits, so both back off.
    """

    def __init__(
        self, buckets: Callable[[str], Any], ask: TaskLookup = lambda _task_id: None, backoff: Backoff | None = None
    ) -> None:
        self._bucket = buckets
        self._backoff = backoff or Backoff()
        self.task_outcome = ask

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Look into every object, several at once."""
        return dict(zip(refs, _all_at_once(self._probe, refs), strict=True))

    def _probe(self, ref: ObjectRef) -> Probe | ClipstitchError:
        """Look into one object."""
        try:
            return _read_probe(self._backoff(lambda: self._info(ref)), ref)
        except ClipstitchError as error:
            # What is refused for no reason of its own is taken for no audio: how OSS says that is not documented.
            return NotAudio(str(error)) if type(error) in (CloudRefused, ProcessRefused) else error

    def _info(self, ref: ObjectRef) -> bytes:
        """Ask for what an object is made of."""
        with _ours(f"probing {ref.uri}"):
            return self._bucket(ref.bucket).get_object(ref.key, process="audio/info").read()  # type: ignore[no-any-return]

    def start(self, main: ObjectRef, process: str) -> str:
        """Accept a process string on an object and return the task id."""
        return self._backoff(lambda: self._start(main, process))

    def _start(self, main: ObjectRef, process: str) -> str:
        """Ask once; no TaskId is no task."""
        with _ours(f"starting {process[:60]}… on {main.uri}"):
            task = _started(self._bucket(main.bucket).async_process_object, main, process)
        if not task:
            raise CloudBusy(f"starting on {main.uri}: the cloud answered without a TaskId")
        return task


def _started(post: Callable[[str, str], Any], main: ObjectRef, process: str) -> str:
    """Post the process. An answer without its ids was seen in public; the SDK meets it with a KeyError."""
    try:
        return str(post(main.key, process).task_id or "")
    except (KeyError, ValueError):
        return ""


def _read_probe(answer: bytes, ref: ObjectRef) -> Probe | NotAudio:
    """Read audio/info's document (OSS user guide, "Extract audio information", page dated 2026-03-20)."""
    try:
        info = json.loads(answer)
        stream = info["AudioStreams"][0]
        return Probe(
            duration_s=float(stream.get("Duration") or info["Duration"]),
            sample_rate=int(stream["SampleRate"]),
            channels=int(stream["Channels"]),
            bitrate=int(float(stream.get("Bitrate") or info.get("Bitrate") or 0)),
            bits=24 if _is_deep(stream) else 16,
        )
    except (ValueError, LookupError, TypeError) as error:
        return NotAudio(f"audio/info finds no audio stream in {ref.uri} ({error})")


def _is_deep(stream: Mapping[str, Any]) -> bool:
    """Say whether a stream keeps more than 16 bits. A lossy codec's floats are no such promise."""
    lossless = str(stream.get("CodecName", "")).startswith(("pcm_", "flac", "alac", "ape", "wavpack", "tta"))
    return lossless and str(stream.get("SampleFormat", "")).startswith(("s24", "s32", "s64", "flt", "dbl"))
