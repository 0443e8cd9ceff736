"""HTTP byte for byte: requests that no client library would send, and their responses. Knows no signatures."""

import re
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

NOT_UTF8 = "\udcff\udcfe"  # sent as the bytes FF FE, which are invalid UTF-8
_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"(?:Code|ErrorCode)\": ?\"([^\"]*)\"")


class Request(NamedTuple):
    """A request that is sent as it is: nothing is escaped, completed or normalised."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def with_headers(self, **headers: str) -> "Request":
        """Return the request with additional headers; "_" in a name is sent as "-"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._replace(headers={**self.headers, **named})

    def with_query(self, query: str) -> "Request":
        """Return the request with additional query parameters."""
        return self._replace(query="&".join(filter(None, (self.query, query))))


class Response(NamedTuple):
    """The status of a response, the vendor's error code or an empty string, and the body."""

    status: int
    code: str
    body: bytes


def send(base_url: str, request: Request) -> Response:
    """Send a request over a new connection and return the response."""
    parts = urlsplit(base_url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), 20) as connection:
        connection.sendall(_serialize(request, parts.netloc))
        with HTTPResponse(connection, method=request.method) as response:
            response.begin()
            body = response.read()
    found = _CODE.search(body)
    return Response(response.status, (found[1] or found[2]).decode() if found else "", body)


def _serialize(request: Request, host: str) -> bytes:
    headers = {"host": host, "connection": "close", **request.headers, "content-length": str(len(request.body))}
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + request.body
