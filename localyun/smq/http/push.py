"""Delivers published messages to http(s) endpoints, signed so that a receiver can check who sends them."""

import hashlib
import http.client
import threading
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from localyun.clock import CloudClock
from localyun.smq.http.signatures import VERSION
from localyun.smq.message_formats import document
from localyun.smq.values import Published, Subscription

TIMEOUT_SECONDS = 5.0  # "HttpEndpoint", read 2026-11: an answer must come within 5 s
CERTIFICATE_PATH = "/x509_public_certificate.pem"
TYPES = {"XML": "text/xml;charset=utf-8", "JSON": "application/json;charset=utf-8"}
PLAIN = "text/plain;charset=utf-8"


class NotDelivered(Exception):
    """An endpoint answered, but not with 2xx."""


class Certificate:
    """A key pair of this process, and the self-signed certificate that receivers check against."""

    def __init__(self, clock: CloudClock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._made: tuple[rsa.RSAPrivateKey, bytes] | None = None

    def pem(self) -> bytes:
        """Return the certificate."""
        return self._pair()[1]

    def sign(self, text: str) -> str:
        """Return the Base64 of the signature, RSA with SHA-1, which is what the vendor uses."""
        signature = self._pair()[0].sign(text.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - theirs
        return b64encode(signature).decode()

    def _pair(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        """Make the pair when it is first needed: it takes a tenth of a second."""
        with self._lock:
            if self._made is None:
                key = rsa.generate_private_key(65537, 2048)
                self._made = (key, self._issue(key).public_bytes(serialization.Encoding.PEM))
            return self._made

    def _issue(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localyun messages")])
        now = self._clock.now()
        build = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        build = build.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
        return build.sign(key, hashes.SHA256())


class HttpPush:
    """Posts one message to one endpoint; raises unless that answers 2xx in time."""

    def __init__(self, clock: CloudClock, account_id: str, certificate: Certificate, here: Callable[[], str]) -> None:
        self._clock, self._account_id = clock, account_id
        self._certificate, self._here = certificate, here

    def __call__(self, subscription: Subscription, published: Published) -> None:
        """Post the message in the subscription's format."""
        body = document(subscription, published, self._account_id).encode()
        parts = urlsplit(subscription.endpoint)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, body, self._headers(subscription, published, body, path))
            status = connection.getresponse().status
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise NotDelivered(f"{subscription.endpoint} answered {status}; only 2xx means received")

    def _headers(self, subscription: Subscription, published: Published, body: bytes, path: str) -> dict[str, str]:
        url = b64encode(f"{self._here()}{CERTIFICATE_PATH}".encode()).decode()
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        headers = {
            "content-md5": b64encode(digest).decode(),
            "content-type": TYPES.get(subscription.content_format, PLAIN),
            "date": format_datetime(self._clock.now(), usegmt=True),
            "x-mns-request-id": self._clock.token(12).upper(),
            "x-mns-signing-cert-url": url,
            "x-mns-version": VERSION,
        }
        if subscription.content_format == "SIMPLIFIED":
            headers |= _simplified(published)
        return headers | {"authorization": self._certificate.sign(signed_text("POST", headers, path))}


def signed_text(method: str, headers: dict[str, str], path: str) -> str:
    """Return what a push signs ("HttpEndpoint" and the vendor's samples, read 2026-11)."""
    extra = [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
    fixed = [method, headers["content-md5"], headers["content-type"], headers["date"]]
    return "\n".join([*fixed, *extra, path])


def _simplified(published: Published) -> dict[str, str]:
    """Return the headers that tell what a bare body cannot."""
    tag = {"x-mns-message-tag": published.tag} if published.tag else {}
    return {"x-mns-message-id": published.message_id, **tag}
