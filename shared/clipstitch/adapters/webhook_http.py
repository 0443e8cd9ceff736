"""Webhooks over HTTPS, signed by `standardwebhooks`. Imported only when a webhook is delivered.

The address that the socket connects to is checked, not the host name, so that changing DNS between a check and the call
has no effect. Redirects are not followed, proxies are not used, and the body of the response is not read.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from standardwebhooks import Webhook as Signer

from clipstitch import __version__
from clipstitch.common.errors import ClipstitchError, WebhookAddressRefused, WebhookNoResponse
from clipstitch.common.ports import Webhook, WebhookResponse

TIMEOUT_S = 10.0  # ours, for name, connection, handshake, request and answer together
# CloudEvents 1.0.2, "HTTP Protocol Binding", 3.2: a body in structured mode. The signature does not cover the header.
CONTENT_TYPE = "application/cloudevents+json"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Resolve = Callable[..., list[tuple[Any, ...]]]


class HttpWebhookSender:
    """The `WebhookSender` port over HTTP. `allow_private` permits private addresses, with and without TLS."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout_s: float = TIMEOUT_S,
        resolve: _Resolve = socket.getaddrinfo,
        trust: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._trust = trust or _default_trust

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Post a signed event once. A thread does it, so that neither DNS nor a slow receiver can exceed the time-out.

        Raises `WebhookNoResponse` and `WebhookAddressRefused`.
        """
        request, line = _request(hook.url, _headers(hook, event_id, text, at), text.encode()), _Connection()
        responses: SimpleQueue[WebhookResponse | ClipstitchError] = SimpleQueue()
        Thread(target=lambda: responses.put(self._call(request, line)), name="webhook", daemon=True).start()
        try:
            answer = responses.get(timeout=self._timeout_s)
        except Empty:
            raise WebhookNoResponse(f"{request.host} did not respond within {self._timeout_s:g} s") from None
        finally:
            line.cut()
        if isinstance(answer, ClipstitchError):
            raise answer
        return answer

    def _call(self, request: "_Request", line: "_Connection") -> WebhookResponse | ClipstitchError:
        """Post once. Errors are named by their type, since the words of a receiver may be anything."""
        try:
            return self._exchange(request, line)
        except WebhookAddressRefused as refused:
            return refused
        except ssl.SSLCertVerificationError as error:
            return WebhookNoResponse(f"{request.host}: its certificate is not accepted: {error.verify_message}")
        except TimeoutError:  # of the socket, before that of the queue
            return WebhookNoResponse(f"{request.host} did not respond within {self._timeout_s:g} s")
        except OSError as error:
            return WebhookNoResponse(f"{request.host}: {error.strerror or type(error).__name__}")
        except (HTTPException, ValueError) as error:
            return WebhookNoResponse(f"{request.host}: {type(error).__name__}")

    def _exchange(self, request: "_Request", line: "_Connection") -> WebhookResponse:
        """Connect, post, and return the status."""
        with self._connected(request, line) as wire:
            connection = HTTPConnection(request.host, request.port)
            connection.sock, connection.auto_open = wire, 0
            connection.request("POST", request.path, request.body, {"Host": request.netloc, **request.headers})
            response = connection.getresponse()
            return WebhookResponse(response.status, response.headers.get("Retry-After", "").strip())

    def _connected(self, request: "_Request", line: "_Connection") -> socket.socket:
        """Connect to the first permitted address that accepts a connection; perform the TLS handshake."""
        raw = self._reach(request)
        line.take(raw)
        if not request.secure:
            return raw
        with raw:  # detached by wrap_socket on success
            return self._trust().wrap_socket(raw, server_hostname=request.host)

    def _reach(self, request: "_Request") -> socket.socket:
        """Connect to an address that was checked."""
        found = self._resolve(request.host, request.port, type=socket.SOCK_STREAM)
        addresses = [(family, address) for family, _, _, _, address in found if self._is_permitted(address[0], request)]
        if not addresses:
            named = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
            raise WebhookAddressRefused(f"{request.host} is at {named}, where {request.scheme} webhooks are not sent")
        last_error = OSError("no address")
        for family, address in addresses:
            wire = socket.socket(family, socket.SOCK_STREAM)
            wire.settimeout(self._timeout_s)
            try:
                wire.connect(address)
            except OSError as error:
                wire.close()
                last_error = error
            else:
                return wire
        raise last_error

    def _is_permitted(self, address: str, request: "_Request") -> bool:
        """Return True if an address is permitted: a public one with TLS only, a private one if that is allowed."""
        return request.secure if is_public(address) else self._allow_private


def is_public(address: str) -> bool:
    """Return True if an address belongs to the public internet, also if it is embedded in an IPv6 address.

    >>> [is_public(text) for text in ("8.8.8.8", "10.0.0.1", "100.100.100.200", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    ip = _embedded(ipaddress.ip_address(address))
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or site_local)


def _embedded(ip: _Address) -> _Address:
    """Return the IPv4 address that is embedded in an IPv6 address, if there is one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner or ip


class _Request(NamedTuple):
    """A request: the parts of the URL of a webhook, headers and body."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def secure(self) -> bool:
        """Whether TLS is used."""
        return self.scheme == "https"


def _request(url: str, headers: Mapping[str, str], body: bytes) -> _Request:
    """Return the request to a URL, which `read_settings` has checked."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return _Request(parts.scheme, parts.hostname or "", port, parts.netloc, path, headers, body)


def _headers(hook: Webhook, event_id: str, text: str, at: datetime) -> dict[str, str]:
    """Sign with every secret, so that a receiver may use either while secrets are rotated."""
    moment = at.astimezone(timezone.utc)
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": f"clipstitch/{__version__}",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(event_id, moment, text) for secret in hook.secrets),
    }


def _default_trust() -> ssl.SSLContext:
    """Return the certificate authorities of the machine or, if it has none, those of `requests`."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return ssl.create_default_context()
    import certifi  # noqa: PLC0415 - comes with requests, which oss2 brings

    return ssl.create_default_context(cafile=certifi.where())


class _Connection:
    """A connection that another thread can close."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wire: socket.socket | None = None
        self._is_closed = False

    def take(self, wire: socket.socket) -> None:
        """Register the socket; close it if `cut` was called before."""
        with self._lock:
            self._wire = wire.dup()
        if self._is_closed:
            self.cut()

    def cut(self) -> None:
        """Close the connection, now or as soon as there is one."""
        with self._lock:
            self._is_closed = True
            wire, self._wire = self._wire, None
        if wire:
            with wire, suppress(OSError):  # it may be closed already
                wire.shutdown(socket.SHUT_RDWR)
