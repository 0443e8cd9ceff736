"""Serve POST requests until SIGTERM or Ctrl-C. Run it behind a proxy that terminates TLS."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from environment import Environment

MAX_BYTES = 256 * 1024  # an event has at most 45,000 bytes; escaping it in JSON adds some
Receive = Callable[[str, Mapping[str, str], bytes], None]


class RequestRejected(Exception):
    """The request does not come from the expected sender."""


def serve(receive: Receive) -> None:
    """Call `receive` with the path, the headers (lower-case names) and the body of each request.

    The response is 204, 403 if `receive` raises RequestRejected, 500 for any other exception, and 400 for a missing or
    too large length. The sender retries everything but 2xx. Requests in progress are finished before the program ends.
    """
    server = create_server(receive)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    with server:  # leaving the block waits for requests in progress
        logging.info("listening on http://%s:%d", *server.server_address[:2])
        server.serve_forever(poll_interval=0.1)


def create_server(receive: Receive) -> "Server":
    """Return a server that listens on CONSUMER_HOST and CONSUMER_PORT. Ends the program if it cannot."""
    env = Environment()
    host, port = env.get("CONSUMER_HOST", "127.0.0.1"), env.get("CONSUMER_PORT", "8080")
    try:
        return Server((host, int(port)), receive)
    except (OSError, ValueError, OverflowError) as error:
        raise SystemExit(f"CONSUMER_HOST {host}, CONSUMER_PORT {port}: cannot listen: {error}") from error


class Server(ThreadingHTTPServer):
    """A server with one thread per request."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], receive: Receive) -> None:
        self.receive = receive
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """Handles one connection."""

    server: Server
    timeout = 5  # seconds without data

    def do_POST(self) -> None:
        """Read the request, call `receive`, and send the response."""
        length = self.headers.get("content-length", "")
        self.send_response(self._status(int(length)) if length.isdecimal() and int(length) <= MAX_BYTES else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _status(self, length: int) -> int:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.server.receive(self.path, headers, self.rfile.read(length))
        except RequestRejected as error:
            logging.warning("rejected: %s", error)
            return 403
        except Exception:
            logging.exception("failed; the sender will retry")
            return 500
        return 204

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""
