"""Webhooks over HTTPS, signed by `standardwebhooks`. The only module that knows it; imported when a webhook is told.

The address is checked that we connect to, and not the name: whoever changes a name's address between a check and the
call gains nothing. No redirect is followed, no proxy used. What a receiver says beyond its status is not read.
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
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Resolve = Callable[..., list[tuple[Any, ...]]]


class HttpWebhookSender:
    """The `WebhookSender` port over HTTP. `allow_private` lets it call private addresses, and those without TLS too."""

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
        self._trust = trust or _usual_trust

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Tell a receiver, signed, once; in a thread, so that neither a resolver nor slow drops can hold us up."""
        place, line = _place(hook.url), _Line()
        message = _Message(_headers(hook, event_id, text, at), text.encode())
        said: SimpleQueue[WebhookResponse | ClipstitchError] = SimpleQueue()
        Thread(target=lambda: said.put(self._call(place, message, line)), name="webhook", daemon=True).start()
        try:
            answer = said.get(timeout=self._timeout_s)
        except Empty:
            raise WebhookNoResponse(f"{place.host} gave no answer within {self._timeout_s:g} s") from None
        finally:
            line.cut()
        if isinstance(answer, ClipstitchError):
            raise answer
        return answer

    def _call(self, place: "_Place", message: "_Message", line: "_Line") -> WebhookResponse | ClipstitchError:
        """Make the call; what goes wrong is named by its kind alone, since a receiver's words may be anything."""
        try:
            return self._exchange(place, message, line)
        except WebhookAddressRefused as refused:
            return refused
        except ssl.SSLCertVerificationError as error:
            return WebhookNoResponse(f"{place.host}: its certificate is not accepted: {error.verify_message}")
        except TimeoutError:  # the socket noticed before the clock that watches it
            return WebhookNoResponse(f"{place.host} gave no answer within {self._timeout_s:g} s")
        except OSError as error:
            return WebhookNoResponse(f"{place.host}: {error.strerror or type(error).__name__}")
        except (HTTPException, ValueError) as error:
            return WebhookNoResponse(f"{place.host}: {type(error).__name__}")

    def _exchange(self, place: "_Place", message: "_Message", line: "_Line") -> WebhookResponse:
        """Connect, post, and read the status."""
        with self._connected(place, line) as wire:
            connection = HTTPConnection(place.host, place.port)
            connection.sock, connection.auto_open = wire, 0
            connection.request("POST", place.path, message.body, {"Host": place.netloc, **message.headers})
            response = connection.getresponse()
            return WebhookResponse(response.status, response.headers.get("Retry-After", "").strip())

    def _connected(self, place: "_Place", line: "_Line") -> socket.socket:
        """Connect to the first address that may be called and can be, and shake hands."""
        raw = self._reach(place)
        line.take(raw)
        if not place.secure:
            return raw
        with raw:  # detached below where all goes well
            return self._trust().wrap_socket(raw, server_hostname=place.host)

    def _reach(self, place: "_Place") -> socket.socket:
        """Connect to an address that was looked at."""
        found = self._resolve(place.host, place.port, type=socket.SOCK_STREAM)
        addresses = [(family, address) for family, _, _, _, address in found if self._may(address[0], place)]
        if not addresses:
            named = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
            raise WebhookAddressRefused(f"{place.host} is at {named}, where {place.scheme} webhooks are not sent")
        trouble = OSError("no address")
        for family, address in addresses:
            wire = socket.socket(family, socket.SOCK_STREAM)
            wire.settimeout(self._timeout_s)
            try:
                wire.connect(address)
            except OSError as error:
                wire.close()
                trouble = error
            else:
                return wire
        raise trouble

    def _may(self, address: str, place: "_Place") -> bool:
        """Say whether an address may be called: a public one with TLS only, a private one where that is allowed."""
        return place.secure if is_public(address) else self._allow_private


def is_public(address: str) -> bool:
    """Say whether an address is one of the public internet, whatever it is wrapped in.

    >>> [is_public(text) for text in ("8.8.8.8", "10.0.0.1", "100.100.100.200", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    ip = _unwrapped(ipaddress.ip_address(address))
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or site_local)


def _unwrapped(ip: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, if it stands for one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner or ip


class _Place(NamedTuple):
    """Where a webhook goes, taken apart."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str

    @property
    def secure(self) -> bool:
        """Whether it is called with TLS."""
        return self.scheme == "https"


def _place(url: str) -> _Place:
    """Take a URL apart; `read_settings` has seen that it is one."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return _Place(parts.scheme, parts.hostname or "", port, parts.netloc, path)


class _Message(NamedTuple):
    """What is posted."""

    headers: Mapping[str, str]
    body: bytes


def _headers(hook: Webhook, event_id: str, text: str, at: datetime) -> dict[str, str]:
    """Sign with every secret, so that a receiver may hold either while they are exchanged."""
    moment = at.astimezone(timezone.utc)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"clipstitch/{__version__}",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(event_id, moment, text) for secret in hook.secrets),
    }


def _usual_trust() -> ssl.SSLContext:
    """Trust whom the machine trusts, or, where it has no list of authorities, whom `requests` trusts."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return ssl.create_default_context()
    import certifi  # noqa: PLC0415 - comes with requests, which oss2 brings

    return ssl.create_default_context(cafile=certifi.where())


class _Line:
    """A connection that can be cut by somebody who does not use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wire: socket.socket | None = None
        self._is_cut = False

    def take(self, wire: socket.socket) -> None:
        """Remember what to cut; if that has been asked for already, do it."""
        with self._lock:
            self._wire = wire.dup()
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End the connection, now or as soon as there is one."""
        with self._lock:
            self._is_cut = True
            wire, self._wire = self._wire, None
        if wire:
            with wire, suppress(OSError):  # it may have ended already
                wire.shutdown(socket.SHUT_RDWR)
