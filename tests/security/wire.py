"""HTTP byte for byte: what no client would send, and what came back. Knows no signatures."""

import re
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

NO_TEXT = "\udcff\udcfe"  # travels as the bytes FF FE, which are no UTF-8
_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"(?:Code|ErrorCode)\": ?\"([^\"]*)\"")


class Request(NamedTuple):
    """A request as it goes over the wire: nothing is escaped, completed or normalised."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def plus(self, **headers: str) -> "Request":
        """Return the request with some headers more; _ in a name stands for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._replace(headers={**self.headers, **named})

    def asking(self, query: str) -> "Request":
        """Return the request with one parameter more."""
        return self._replace(query="&".join(filter(None, (self.query, query))))


class Answer(NamedTuple):
    """What came back: the status, the vendor's code where there is one, and the body."""

    status: int
    code: str
    body: bytes


def send(base: str, request: Request) -> Answer:
    """Send a request over a connection of its own."""
    place = urlsplit(base)
    with socket.create_connection((place.hostname, place.port), 20) as wire:
        wire.sendall(_spelled(request, place.netloc))
        with HTTPResponse(wire, method=request.method) as response:
            response.begin()
            body = response.read()
    found = _CODE.search(body)
    return Answer(response.status, (found[1] or found[2]).decode() if found else "", body)


def _spelled(request: Request, host: str) -> bytes:
    """Write a request down."""
    headers = {"host": host, "connection": "close", **request.headers, "content-length": str(len(request.body))}
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + request.body
