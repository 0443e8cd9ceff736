"""Takes what SMQ pushes from the events topic: checks who signed it and for whom, then acts on each event once.

SMQ signs with RSA and SHA-1 and names its certificate's address in a header; whoever may name the certificate may sign
anything, so the address must be the vendor's. Source: SMQ, "Verify HTTP push message signatures", 2026.
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
from serving import Refused, serve

MAX_AGE = timedelta(minutes=15)
FETCH_S = 2  # SMQ waits five seconds for us


def main() -> None:
    """Answer until the end."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    env = Environment()
    inbox = Inbox(env.get("CONSUMER_DATABASE", "consumed.sqlite"))
    account, topic = env["ALIBABA_CLOUD_ACCOUNT_ID"], env["CLIPSTITCH_EVENTS_TOPIC"]
    own = env.get("CONSUMER_CERTIFICATES", "").split()
    trusted = tuple(own or vendors(env["OSS_REGION"]))

    def receive(path: str, headers: Mapping[str, str], body: bytes) -> None:
        verify(path, headers, body, trusted)
        push = json.loads(body)
        if (push["TopicOwner"], push["TopicName"]) != (account, topic):  # SMQ pushes for every one of its customers
            raise Refused(f"topic {push['TopicName']!r} of {push['TopicOwner']} is not ours")
        inbox.once(json.loads(push["Message"]), act)

    serve(receive)


def vendors(region: str) -> list[str]:
    """Name the vendor's buckets, host and all: everybody may have one below aliyuncs.com.

    The second is documented for regions in China only.
    """
    regional = [f"https://mns-cert.oss-{region}.aliyuncs.com/"] if region.startswith("cn-") else []
    return ["https://mnstest.oss-cn-hangzhou.aliyuncs.com/", *regional]


def verify(path: str, headers: Mapping[str, str], body: bytes, trusted: tuple[str, ...]) -> None:
    """Raise `Refused` unless SMQ signed this very request, a short while ago."""
    try:
        url = base64.b64decode(headers["x-mns-signing-cert-url"]).decode()
        signature = base64.b64decode(headers["authorization"])
        age = datetime.now(timezone.utc) - parsedate_to_datetime(headers["date"])  # noqa: TID251 - nobody gives us a clock
        key = certificate(trusted_url(url, trusted)).public_key()
        if not isinstance(key, RSAPublicKey):
            raise Refused("the certificate is not for RSA")
        key.verify(signature, signed_text(path, headers), PKCS1v15(), SHA1())  # noqa: S303 - theirs
    except (KeyError, TypeError, ValueError, InvalidSignature) as error:
        raise Refused(f"not signed by SMQ: {error!r}") from error
    if abs(age) > MAX_AGE:
        raise Refused(f"signed {age} ago")
    if headers.get("content-md5") not in digests(body):  # what is signed is the digest, not the body
        raise Refused("the body is not the one that was signed")


def trusted_url(url: str, trusted: tuple[str, ...]) -> str:
    """Return the address of a certificate, or refuse it. SMQ's samples say http://; https:// is what we fetch."""
    for address in (url, url.replace("http://", "https://", 1)):
        if address.startswith(trusted):
            return address
    raise Refused(f"the certificate is at {url}")


@functools.lru_cache(maxsize=16)
def certificate(url: str) -> Certificate:
    """Fetch a certificate, once; a new one comes under a new name."""
    with urlopen(url, timeout=FETCH_S) as response:  # noqa: S310 - a trusted address
        return load_pem_x509_certificate(response.read())


def signed_text(path: str, headers: Mapping[str, str]) -> bytes:
    """Return what SMQ signs of a request."""
    fixed = [headers.get(name, "") for name in ("content-md5", "content-type", "date")]
    theirs = [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
    return "\n".join(["POST", *fixed, *theirs, path]).encode()


def digests(body: bytes) -> list[str]:
    """Return the ways to write a body's MD5: the vendor's page has Base64 of the hexadecimal one."""
    md5 = hashlib.md5(body, usedforsecurity=False)
    return [base64.b64encode(spelled).decode() for spelled in (md5.hexdigest().encode(), md5.digest())]


if __name__ == "__main__":
    main()
