"""Posts published messages to http(s) endpoints, signed so that receivers can verify the sender.

Names of headers are written as the vendor's receivers look them up, which distinguish upper and lower case
(HttpEndpointSubscription.java of the Java SDK, 2026-11).
"""

import hashlib
import http.client
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from localyun.clock import CloudClock
from localyun.smq.http.signatures import VERSION
from localyun.smq.message_formats import document, fields
from localyun.smq.values import Subscription, TopicMessage

DEFAULT_PATH = "/notifications"  # of an endpoint without a path ("HttpEndpoint", read 2026-11)
TIMEOUT_SECONDS = 5.0  # "HttpEndpoint", read 2026-11: an endpoint must answer within 5 s
CERTIFICATE_PATH = "/x509_public_certificate.pem"
CONTENT_TYPES = {"XML": "text/xml;charset=utf-8", "JSON": "application/json;charset=utf-8"}
# The fields of the message in the headers of a push without them in its body (the Go SDK's http_authorization.go,
# 2026-11).
SIMPLIFIED_HEADERS = {
    "TopicOwner": "x-mns-topic-owner",
    "TopicName": "x-mns-topic-name",
    "Subscriber": "x-mns-subscriber",
    "SubscriptionName": "x-mns-subscription-name",
    "MessageId": "x-mns-message-id",
    "MessageTag": "x-mns-message-tag",
    "PublishTime": "x-mns-publish-time",
}


class PushFailed(Exception):
    """An endpoint did not answer with 2xx."""


class Certificate:
    """The key pair of this process, and the self-signed certificate with which receivers verify signatures."""

    def __init__(self, clock: CloudClock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._key_and_pem: tuple[rsa.RSAPrivateKey, bytes] | None = None

    def pem(self) -> bytes:
        """Return the certificate in PEM format."""
        return self._pair()[1]

    def sign(self, text: str) -> str:
        """Return the Base64 of the signature, RSA with SHA-1, as the vendor signs."""
        signature = self._pair()[0].sign(text.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - the vendor's
        return b64encode(signature).decode()

    def _pair(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        """Create the pair on first use, because that takes 0.1 s."""
        with self._lock:
            if self._key_and_pem is None:
                key = rsa.generate_private_key(65537, 2048)
                self._key_and_pem = (key, self._issue(key).public_bytes(serialization.Encoding.PEM))
            return self._key_and_pem

    def _issue(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localyun messages")])
        now = self._clock.now()
        build = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        build = build.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
        return build.sign(key, hashes.SHA256())


class HttpPush:
    """Posts messages to their endpoints."""

    def __init__(
        self, clock: CloudClock, account_id: str, certificate: Certificate, base_url: Callable[[], str]
    ) -> None:
        self._clock, self._account_id = clock, account_id
        self._certificate, self._base_url = certificate, base_url

    def __call__(self, subscription: Subscription, message: TopicMessage) -> None:
        """Post a message in the subscription's content format; raise an exception unless it is answered 2xx in time."""
        body = document(subscription, message, self._account_id).encode()
        parts = urlsplit(subscription.endpoint)
        path = (parts.path or DEFAULT_PATH) + (f"?{parts.query}" if parts.query else "")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, body, self._headers(subscription, message, body, path))
            status = connection.getresponse().status
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise PushFailed(f"{subscription.endpoint} answered {status}; only 2xx acknowledges a message")

    def _headers(self, subscription: Subscription, message: TopicMessage, body: bytes, path: str) -> dict[str, str]:
        url = b64encode(f"{self._base_url()}{CERTIFICATE_PATH}".encode()).decode()
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        headers = {
            "Content-md5": b64encode(digest).decode(),
            "Content-Type": CONTENT_TYPES.get(subscription.content_format, "text/plain;charset=utf-8"),
            "Date": format_datetime(self._clock.now(), usegmt=True),
            "User-Agent": "Aliyun Notification Service Agent",
            "x-mns-request-id": self._clock.token(12).upper(),
            "x-mns-signing-cert-url": url,
            "x-mns-version": VERSION,
        }
        if subscription.content_format == "SIMPLIFIED":  # the body is the message alone
            named = fields(subscription, message, self._account_id)
            headers |= {header: str(named[field]) for field, header in SIMPLIFIED_HEADERS.items() if field in named}
        return headers | {"Authorization": self._certificate.sign(string_to_sign("POST", headers, path))}


def string_to_sign(method: str, headers: Mapping[str, str], path: str) -> str:
    """Return the string to sign of a push ("HttpEndpoint" and the vendor's samples, read 2026-11)."""
    values = {name.lower(): value for name, value in headers.items()}
    extra = [f"{name}:{values[name]}" for name in sorted(values) if name.startswith("x-mns-")]
    fixed = [method, values["content-md5"], values["content-type"], values["date"]]
    return "\n".join([*fixed, *extra, path])
