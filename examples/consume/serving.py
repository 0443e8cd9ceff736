"""Answers POSTs until SIGTERM or Ctrl-C. Behind a proxy that speaks TLS; alone it is for your own machine."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from environment import Environment

MAX_BYTES = 256 * 1024  # an event has at most 45,000 bytes; as a text within JSON it has some more
Receive = Callable[[str, Mapping[str, str], bytes], None]


class Refused(Exception):
    """A request that does not come from whom it should."""


def serve(receive: Receive) -> None:
    """Hand each request's path, headers (lower case) and body to `receive`: 204, or 403 if refused, or 500 if it fails.

    Everything but 2xx makes the sender try again. What has begun when the signal comes is finished first.
    """
    server = listening(receive)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    with server:  # its end waits for the requests under way
        logging.info("listening on http://%s:%d", *server.server_address[:2])
        server.serve_forever(poll_interval=0.1)


def listening(receive: Receive) -> "Server":
    """Listen where the environment says."""
    env = Environment()
    host, port = env.get("CONSUMER_HOST", "127.0.0.1"), env.get("CONSUMER_PORT", "8080")
    try:
        return Server((host, int(port)), receive)
    except (OSError, ValueError, OverflowError) as error:
        raise SystemExit(f"CONSUMER_HOST {host}, CONSUMER_PORT {port}: cannot listen there: {error}") from error


class Server(ThreadingHTTPServer):
    """One thread for each request."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], receive: Receive) -> None:
        self.receive = receive
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = 5  # seconds without a byte

    def do_POST(self) -> None:
        """Read, hand over, answer."""
        length = self.headers.get("content-length", "")
        self.send_response(self._status(int(length)) if length.isdecimal() and int(length) <= MAX_BYTES else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _status(self, length: int) -> int:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.server.receive(self.path, headers, self.rfile.read(length))
        except Refused as why:
            logging.warning("refused: %s", why)
            return 403
        except Exception:
            logging.exception("not done; it will come again")
            return 500
        return 204

    def log_message(self, *_: object) -> None:
        """Stay quiet about what went well."""
