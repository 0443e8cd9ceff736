"""HTTP for all endpoints: one `HttpRequest` in, one `HttpResponse` out. Knows no service.

Handlers run in worker threads, so they may block (a long poll does). The path stays percent-encoded: OSS clients send
"/" inside a key as "%2F", which a decoded path cannot distinguish from a separator.
"""

import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SPOOL_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
ABORT = "localyun.abort"  # the ASGI extension of `listeners` that closes the connection
FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection"))  # the server reads these itself
WORKER_THREADS = 256  # a long poll occupies one for up to 30 s


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request. `headers` has lower-case names; `raw_path` and `raw_query` are percent-encoded."""

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: BinaryIO
    client: str = "127.0.0.1"

    @property
    def query(self) -> dict[str, str]:
        """The decoded query parameters: the last of a repeated name, "" for a name without value."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def path(self) -> str:
        """The path, percent-decoded once."""
        return unquote(self.raw_path)

    def read(self) -> bytes:
        """Return the whole body."""
        self.body.seek(0)
        return self.body.read()


@dataclass(frozen=True)
class FileRange:
    """A byte range of a file, sent without loading it into memory. If gzipped, its final length is not known."""

    file: Path
    start: int
    length: int
    gzipped: bool = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of at most `CHUNK_BYTES`."""
        with self.file.open("rb") as source:
            found = range_chunks(source, self.start, self.length)
            yield from _gzipped(found) if self.gzipped else found


@dataclass(frozen=True)
class HttpResponse:
    """One HTTP response. A `Content-Length` in `headers` overrides the length of the body, as HEAD requires.

    Status 0 closes the connection without a response.
    """

    status: int = 200
    body: bytes | FileRange = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def range_chunks(source: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield a byte range of an open file in pieces of at most `CHUNK_BYTES`."""
    source.seek(start)
    while length and (chunk := source.read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)  # 16: the format of gzip
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def asgi_app(
    answer: Callable[[HttpRequest], HttpResponse], leaves_body: Callable[[HttpRequest], bool] = lambda _: False
) -> ASGIApp:
    """Return an ASGI app that calls `answer` for every method and path.

    A request for which `leaves_body` returns True is answered before its body arrives, with an empty one. Then the
    connection is closed.
    """
    limiter = cache(lambda: anyio.CapacityLimiter(WORKER_THREADS))  # created in the event loop

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
            request = _request(scope, body)  # type: ignore[arg-type] # a spooled file has all methods of a binary file
            unread = leaves_body(request)
            try:
                if not unread:
                    received = await _receive_body(Request(scope, receive), request.body)
                    request = replace(request, body=received)
            except ClientDisconnect:
                return
            response = await anyio.to_thread.run_sync(partial(answer, request), limiter=limiter())
            if unread:
                response = replace(response, headers={**response.headers, "Connection": "close"})
            if response.status:
                await _starlette_response(response)(scope, receive, send)
            else:
                await _abort(scope, receive)

    return app


async def _receive_body(request: Request, body: BinaryIO) -> BinaryIO:
    """Write the body of a request to a file, and return that; on a full disk, one whose reader gets the error."""
    error: OSError | None = None
    async for chunk in request.stream():
        if error is None:
            try:
                body.write(chunk)
            except OSError as full:
                error = full
    if error:
        return _LostBody(error)
    body.seek(0)
    return body


class _LostBody(BytesIO):
    """A body that was received but not kept. The service answers, in its own form, when it reads it."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def read(self, _size: int | None = -1, /) -> bytes:
        """Raise the error that keeping the body raised."""
        raise self._error


def _request(scope: Scope, body: BinaryIO) -> HttpRequest:
    return HttpRequest(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("ascii"),
        raw_query=scope["query_string"].decode("ascii"),
        headers={_text(name).lower(): _text(value) for name, value in scope["headers"]},
        body=body,
        client=scope["client"][0] if scope.get("client") else "",
    )


async def _abort(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait until the server has noticed."""
    scope["extensions"][ABORT]["now"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _text(header: bytes) -> str:
    """Decode a header's name or value; invalid UTF-8 becomes U+FFFD, which fails every signature check."""
    return header.decode("utf-8", "replace")


class _HeaderName(bytes):
    """A header's name as an endpoint writes it: the server, which writes names in lower case, leaves it alone.

    The vendor's Java SDKs compare some names exactly, such as Location (SubscribeAction.java of MNS 2.0, 2026-11).
    """

    def lower(self) -> bytes:
        """Return the name itself."""
        return self


def _starlette_response(response: HttpResponse) -> Response:
    made = _response_in_lower_case(response)
    written = {name.lower().encode(): _HeaderName(name.encode()) for name in response.headers}
    made.raw_headers = [
        (name if name in FRAMING else written.get(name, name), value) for name, value in made.raw_headers
    ]
    return made


def _response_in_lower_case(response: HttpResponse) -> Response:
    if isinstance(response.body, FileRange):
        length = {} if response.body.gzipped else {"Content-Length": str(response.body.length)}
        headers = {**length, **response.headers}
        return StreamingResponse(response.body.chunks(), response.status, headers)
    return Response(response.body, response.status, response.headers)
