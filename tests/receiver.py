"""A receiver of webhooks on this machine: verifies what comes with the library that receivers use, answers as told."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_Y2xpcHN0aXRjaC10ZXN0LXNlY3JldC1vbmU="
OTHER_SECRET = "whsec_Y2xpcHN0aXRjaC10ZXN0LXNlY3JldC10d28="


class Reply(NamedTuple):
    """What to answer, and how: after some seconds, or byte by byte without ever coming to an end."""

    status: int = 204
    headers: Mapping[str, str] = MappingProxyType({})
    after_s: float = 0.0
    drops: bool = False


class Heard(NamedTuple):
    """What came: the path, the headers in lower case, the body; `event` is None where the signature does not fit."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    event: dict[str, Any] | None


class Receiver:
    """Answers with its replies, one after another, and then with the last for ever."""

    def __init__(self, *replies: Reply, secret: str = SECRET, tls: Any = None) -> None:
        self.heard: list[Heard] = []
        self.replies = list(replies or (Reply(),))
        self.over = threading.Event()
        self._webhook = Webhook(secret)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks?token=t0p"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "Receiver":  # noqa: PYI034 - Self came with Python 3.11
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What came with a signature that fits."""
        return [heard.event for heard in self.heard if heard.event]

    def hear(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Keep what came and choose the reply."""
        try:
            event = self._webhook.verify(body, dict(headers))
        except WebhookVerificationError:
            event = None
        self.heard.append(Heard(path, headers, body, event))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                reply = receiver.hear(self.path, headers, body)
                receiver.over.wait(reply.after_s)
                if reply.drops:
                    self._drip()
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _drip(self) -> None:
                """Send an answer that has no end, slowly."""
                try:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while not receiver.over.wait(0.05):
                        self.wfile.write(b"x")
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler
