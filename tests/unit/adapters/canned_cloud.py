"""A cloud that answers what a test prepared, and records what it was asked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote

from clipstitch.adapters.oss import OssBuckets, OssObjectStore
from clipstitch.common.credentials import AccessKey

MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT"
REQUEST_ID = "647EB6AC7B423D3538DB0000"


class CannedAnswer(NamedTuple):
    """A response. `Last-Modified` and the id of the request are added."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


class CannedRequest(NamedTuple):
    """A request: the method and the path with its query, the headers with names in lower case, and the body."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class CannedCloud:
    """Answers by the beginning of "METHOD /bucket/key?query"; the longest one counts. Other requests get a 500."""

    def __init__(self, answers: Mapping[str, CannedAnswer]) -> None:
        self._answers = answers
        self.requests: list[CannedRequest] = []

    def answer(self, request: CannedRequest) -> CannedAnswer:
        """Record a request and return its response."""
        self.requests.append(request)
        fitting = [line for line in self._answers if request.line.startswith(line)]
        return self._answers[max(fitting, key=len)] if fitting else CannedAnswer(500)

    def lines(self) -> list[str]:
        """Return the methods and paths of all requests, in order."""
        return [request.line for request in self.requests]

    @contextmanager
    def endpoint(self) -> Iterator[str]:
        """Serve until the end of the block; the value is the endpoint."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()

    @contextmanager
    def buckets(self) -> Iterator[OssBuckets]:
        """Serve until the end of the block; the value are the buckets of the SDK."""
        with self.endpoint() as endpoint:
            yield OssBuckets(endpoint, "cn-hangzhou", AccessKey("id", "secret"))

    @contextmanager
    def store(self, single_bytes: int = 1000, part_bytes: int = 400) -> Iterator[OssObjectStore]:
        """Serve until the end of the block; the value is the object store."""
        with self.buckets() as buckets:
            yield OssObjectStore(buckets, single_bytes, part_bytes)


def _handler(cloud: CannedCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = cloud.answer(CannedRequest(f"{self.command} {unquote(self.path)}", headers, body))
            self.send_response(answer.status)
            for name, value in {"Last-Modified": MODIFIED, "x-oss-request-id": REQUEST_ID, **answer.headers}.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _respond  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
