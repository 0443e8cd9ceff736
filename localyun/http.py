"""HTTP for all faces: one request in as a `Call`, one `Reply` out. Knows nothing of any service.

Answers run in worker threads, so a face may block (a long poll does). The path stays as it came over the
wire: OSS clients send "/" inside a key as "%2F", and a decoded path could not tell the two apart.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SPOOL_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
CUT = "localyun.cut"  # the ASGI extension by which `listeners` lets a face cut a connection
WORKER_THREADS = 256  # a long poll holds one for up to 30 s


@dataclass(frozen=True)
class Call:
    """One HTTP request. `headers` has lower-case names; `query` is decoded, a bare name has the value ""."""

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: BinaryIO
    client: str = "127.0.0.1"

    @property
    def query(self) -> dict[str, str]:
        """The decoded query parameters; of a repeated name, the last."""
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
class Slice:
    """A part of a file, to be sent without reading it into memory."""

    file: Path
    start: int
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of at most `CHUNK_BYTES`."""
        with self.file.open("rb") as source:
            source.seek(self.start)
            left = self.length
            while left and (chunk := source.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk


@dataclass(frozen=True)
class Reply:
    """One HTTP response. A `Content-Length` in `headers` wins over the body's own, as a HEAD needs.

    Status 0: there is none, the connection is cut.
    """

    status: int = 200
    body: bytes | Slice = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def face(answer: Callable[[Call], Reply]) -> ASGIApp:
    """Serve `answer` over HTTP, for every method and every path."""
    limiter: list[anyio.CapacityLimiter] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not limiter:
            limiter.append(anyio.CapacityLimiter(WORKER_THREADS))
        request = Request(scope, receive)
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
            try:
                async for chunk in request.stream():
                    body.write(chunk)
            except ClientDisconnect:
                return  # whoever asked is gone, and half a request asks for nothing
            body.seek(0)
            call = Call(
                method=request.method,
                raw_path=scope["raw_path"].decode("ascii"),
                raw_query=scope["query_string"].decode("ascii"),
                headers={_text(name).lower(): _text(value) for name, value in scope["headers"]},
                body=body,  # type: ignore[arg-type] # a spooled file has every method of a binary file
                client=request.client.host if request.client else "",
            )
            reply = await anyio.to_thread.run_sync(partial(answer, call), limiter=limiter[0])
            if reply.status:
                await _response(reply)(scope, receive, send)
            else:
                await _cut(scope, receive)

    return app


async def _cut(scope: Scope, receive: Receive) -> None:
    """End the connection without a word, and wait until the server has noticed."""
    scope["extensions"][CUT]["now"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _text(header: bytes) -> str:
    """Read a header's name or value; what is no UTF-8 becomes U+FFFD, which no signature fits."""
    return header.decode("utf-8", "replace")


def _response(reply: Reply) -> Response:
    """Turn a `Reply` into starlette's response, streaming what lies in a file."""
    if isinstance(reply.body, Slice):
        length = {"Content-Length": str(reply.body.length)}
        return StreamingResponse(reply.body.chunks(), reply.status, {**length, **reply.headers})
    return Response(reply.body, reply.status, reply.headers)
