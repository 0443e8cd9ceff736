"""Receive pushes of the events topic: verify the signature and the topic, then act on each event once.

SMQ signs with RSA and SHA-1, and sends the URL of its certificate in a header. The URL is part of the untrusted
request, so it must be one of the vendor's. Source: SMQ, "Verify HTTP push message signatures", 2026.
"""

import base64
import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.request import urlopen  # noqa: TID251 - a program of its own, without adapters

from act import act
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import Certificate, load_pem_x509_certificate
from environment import Environment
from inbox import Inbox
from serving import RequestRejected, serve

MAX_AGE = timedelta(minutes=15)
FETCH_S = 2  # below the five seconds after which SMQ gives up on a push


def main() -> None:
    """Serve until a signal stops the program."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    env = Environment()
    inbox = Inbox(env.get("CONSUMER_DATABASE", "consumed.sqlite"))
    account, topic = env["ALIBABA_CLOUD_ACCOUNT_ID"], env["CLIPSTITCH_EVENTS_TOPIC"]
    configured = env.get("CONSUMER_CERTIFICATES", "").split()
    trusted = tuple(configured or vendor_urls(env["OSS_REGION"]))

    def receive(path: str, headers: Mapping[str, str], body: bytes) -> None:
        verify(path, headers, body, trusted)
        push = json.loads(body)
        if (push["TopicOwner"], push["TopicName"]) != (account, topic):  # SMQ signs the pushes of all its customers
            raise RequestRejected(f"unexpected topic {push['TopicName']!r} of account {push['TopicOwner']}")
        inbox.once(json.loads(push["Message"]), act)

    serve(receive)


def vendor_urls(region: str) -> list[str]:
    """Return the URL prefixes of the vendor's certificates.

    They include the bucket, because any customer can have a bucket under aliyuncs.com. The regional bucket is
    documented for regions in China only.
    """
    regional = [f"https://mns-cert.oss-{region}.aliyuncs.com/"] if region.startswith("cn-") else []
    return ["https://mnstest.oss-cn-hangzhou.aliyuncs.com/", *regional]


def verify(path: str, headers: Mapping[str, str], body: bytes, trusted: tuple[str, ...]) -> None:
    """Verify that SMQ signed this request at most MAX_AGE ago. Raises RequestRejected if not."""
    try:
        url = base64.b64decode(headers["x-mns-signing-cert-url"]).decode()
        signature = base64.b64decode(headers["authorization"])
        age = datetime.now(timezone.utc) - parsedate_to_datetime(headers["date"])  # noqa: TID251 - a script has no injected clock
        key = certificate(trusted_url(url, trusted)).public_key()
        if not isinstance(key, RSAPublicKey):
            raise RequestRejected("the certificate has no RSA key")
        key.verify(signature, signed_text(path, headers), PKCS1v15(), SHA1())  # noqa: S303 - the vendor's choice
    except (KeyError, TypeError, ValueError, InvalidSignature) as error:
        raise RequestRejected(f"not signed by SMQ: {error!r}") from error
    if abs(age) > MAX_AGE:
        raise RequestRejected(f"signed {age} ago, the limit is {MAX_AGE}")
    if headers.get("content-md5") not in digests(body):  # the signature covers the digest, not the body
        raise RequestRejected("the body does not match the signed digest")


def trusted_url(url: str, trusted: tuple[str, ...]) -> str:
    """Return the URL of a certificate, with https:// instead of the http:// in SMQ's samples.

    Raises RequestRejected if the URL has no trusted prefix.
    """
    for candidate in (url, url.replace("http://", "https://", 1)):
        if candidate.startswith(trusted):
            return candidate
    raise RequestRejected(f"the certificate URL is not trusted: {url}")


@functools.lru_cache(maxsize=16)
def certificate(url: str) -> Certificate:
    """Download a certificate. The cache is safe because a new certificate has a new URL."""
    with urlopen(url, timeout=FETCH_S) as response:  # noqa: S310 - the URL is trusted
        return load_pem_x509_certificate(response.read())


def signed_text(path: str, headers: Mapping[str, str]) -> bytes:
    """Return the text that SMQ signs for a request."""
    fixed = [headers.get(name, "") for name in ("content-md5", "content-type", "date")]
    extensions = [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
    return "\n".join(["POST", *fixed, *extensions, path]).encode()


def digests(body: bytes) -> list[str]:
    """Return the MD5 of a body in both formats: the vendor's page encodes the hexadecimal digest in Base64."""
    md5 = hashlib.md5(body, usedforsecurity=False)
    return [base64.b64encode(digest).decode() for digest in (md5.hexdigest().encode(), md5.digest())]


if __name__ == "__main__":
    main()
