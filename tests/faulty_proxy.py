"""An HTTP proxy in front of an endpoint of the local cloud that changes responses on the way, as bad networks do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

_HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive")


class ProxiedRequest(NamedTuple):
    """A request on its way: method, and path with query."""

    method: str
    path: str


class ProxiedResponse(NamedTuple):
    """A response on its way. `headers` have lower-case names; a `content-length` need not be that of the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def cut(self) -> "ProxiedResponse":
        """Return the response without the second half of its body, as after a lost connection."""
        return self._replace(body=self.body[: len(self.body) // 2])

    def without(self, *names: str) -> "ProxiedResponse":
        """Return the response without some headers."""
        return self._replace(headers={name: value for name, value in self.headers.items() if name not in names})


Change = Callable[[ProxiedRequest, ProxiedResponse], ProxiedResponse]


@contextmanager
def faulty_proxy(
    endpoint: str,
    change: Change = lambda _request, response: response,
    before: Callable[[ProxiedRequest], object] = lambda _request: None,
) -> Iterator[str]:
    """Run a proxy and yield its endpoint. `before` is called with each request, `change` with each response."""
    upstream = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            request = ProxiedRequest(self.command, self.path)
            before(request)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            self.wfile.write(_wire(change(request, _forward(upstream, self, body))))
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Write nothing."""

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.forward)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _forward(upstream: str, handler: BaseHTTPRequestHandler, body: bytes) -> ProxiedResponse:
    connection = HTTPConnection(upstream, timeout=60)
    try:
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        got = connection.getresponse()
        headers = {name.lower(): value for name, value in got.getheaders() if name.lower() not in _HOP_BY_HOP}
        content = got.read()
        return ProxiedResponse(got.status, {"content-length": str(len(content)), **headers}, content)
    finally:
        connection.close()


def _wire(response: ProxiedResponse) -> bytes:
    lines = [f"HTTP/1.1 {response.status} -", *(f"{name}: {value}" for name, value in response.headers.items())]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + response.body
