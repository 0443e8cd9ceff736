"""A webhook receiver on this machine: verifies requests with the receivers' library and sends configured replies."""

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_Y2xpcHN0aXRjaC10ZXN0LXNlY3JldC1vbmU="
OTHER_SECRET = "whsec_Y2xpcHN0aXRjaC10ZXN0LXNlY3JldC10d28="


class Reply(NamedTuple):
    """A response to send after `delay_s` seconds; with `endless`, byte by byte and never complete."""

    status: int = 204
    headers: Mapping[str, str] = MappingProxyType({})
    delay_s: float = 0.0
    endless: bool = False


class ReceivedRequest(NamedTuple):
    """A received request; header names are lower case, and `event` is None if the signature is invalid."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    event: dict[str, Any] | None


class Receiver:
    """An HTTP server that sends its replies in order and repeats the last one."""

    def __init__(self, *replies: Reply, secret: str = SECRET, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[ReceivedRequest] = []
        self.replies = list(replies or (Reply(),))
        self.stopped = threading.Event()
        self._webhook = Webhook(secret)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks?token=t0p"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "Receiver":  # noqa: PYI034 - typing.Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the received events whose signature is valid."""
        return [request.event for request in self.requests if request.event]

    def record(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Store a request and return the reply to send."""
        try:
            event = self._webhook.verify(body, dict(headers))
        except WebhookVerificationError:
            event = None
        self.requests.append(ReceivedRequest(path, headers, body, event))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Answers one connection."""

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                reply = receiver.record(self.path, headers, body)
                receiver.stopped.wait(reply.delay_s)
                if reply.endless:
                    self._send_endless_response()
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send_endless_response(self) -> None:
                try:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while not receiver.stopped.wait(0.05):
                        self.wfile.write(b"x")
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                """Suppress the access log."""

        return Handler
