"""The contract of the `WebhookSender` port, and the address and TLS checks of the HTTP implementation."""

import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook as Verifier

from clipstitch.adapters.memory import MemoryWebhookSender
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.adapters.webhook_http import HttpWebhookSender
from clipstitch.bootstrap import build_context
from clipstitch.common.errors import WebhookAddressRefused, WebhookNoResponse
from clipstitch.common.ports import Webhook, WebhookResponse, WebhookSender
from tests.receiver import OTHER_SECRET, SECRET, Receiver, Reply
from tests.unit.usecases.test_settings import OSS, SMALLEST

TEXT = json.dumps({"say": "<hello> & 你好 🎧"}, ensure_ascii=False)
EVENT = "20260102T030405Z-0123456789ab.succeeded"


def now() -> datetime:
    """Return the current time; receivers reject timestamps that are far from it."""
    return SystemClock().now()


class SenderCase(NamedTuple):
    """An implementation, a webhook to post to, and a function that returns the received (event id, body) pairs."""

    sender: WebhookSender
    webhook: Webhook
    received: Callable[[], list[tuple[str, str]]]

    def post(self) -> WebhookResponse:
        """Post the test event."""
        return self.sender.post(self.webhook, EVENT, TEXT, now())


MakeCase = Callable[..., SenderCase]


@pytest.fixture(params=["memory", "http"])
def make(request: pytest.FixtureRequest) -> Iterator[MakeCase]:
    """Return a function that creates an implementation and a receiver with the given replies."""
    with ExitStack() as stack:

        def http_case(*replies: Reply) -> SenderCase:
            receiver = stack.enter_context(Receiver(*replies))

            def received() -> list[tuple[str, str]]:
                return [(request.headers["webhook-id"], request.body.decode()) for request in receiver.requests]

            return SenderCase(HttpWebhookSender(allow_private=True, timeout_s=1), webhook_to(receiver.url), received)

        yield memory_case if request.param == "memory" else http_case


def memory_case(*replies: Reply) -> SenderCase:
    """Return the implementation in memory, with a timeout for every delayed reply."""
    sender = MemoryWebhookSender()
    timeout = WebhookNoResponse("no answer within 1 s")
    sender.answers["PARTNER"] = [
        timeout if reply.delay_s else WebhookResponse(reply.status, reply.headers.get("Retry-After", ""))
        for reply in replies
    ]
    webhook = webhook_to("https://partner.example")
    return SenderCase(sender, webhook, lambda: [(post.event_id, post.text) for post in sender.posted])


def webhook_to(url: str, *secrets: str) -> Webhook:
    """Return the settings of a webhook."""
    return Webhook("PARTNER", url, secrets or (SECRET,))


def test_the_body_arrives_unchanged_with_the_event_id(make: MakeCase) -> None:
    """Characters outside ASCII survive."""
    case = make()
    case.post()

    assert [(EVENT, TEXT)] == case.received()


@pytest.mark.parametrize("status", [200, 204, 299, 400, 404, 410, 429, 500, 503])
def test_the_status_of_the_response_is_returned(make: MakeCase, status: int) -> None:
    """The port does not interpret the status."""
    case = make(Reply(status))

    assert WebhookResponse(status) == case.post()


def test_the_retry_after_header_is_returned_unchanged(make: MakeCase) -> None:
    """A date is not parsed."""
    case = make(Reply(503, {"Retry-After": "Fri, 02 Jan 2026 12:10:00 GMT"}))

    assert WebhookResponse(503, "Fri, 02 Jan 2026 12:10:00 GMT") == case.post()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(make: MakeCase, status: int) -> None:
    """The event is not sent to the new location."""
    case = make(Reply(status, {"Location": "/elsewhere"}))

    assert status == case.post().status
    assert 1 == len(case.received())


def test_a_response_after_the_timeout_raises_no_response(make: MakeCase) -> None:
    """The receiver may have processed the request anyway."""
    case = make(Reply(delay_s=5))

    with pytest.raises(WebhookNoResponse, match="within 1 s"):
        case.post()
    assert 1 == len(case.received())


# HTTP only


def post(receiver: Receiver, *secrets: str, **options: Any) -> WebhookResponse:
    """Post the test event to a receiver on this machine."""
    return HttpWebhookSender(allow_private=True, **options).post(webhook_to(receiver.url, *secrets), EVENT, TEXT, now())


def test_the_request_goes_to_the_whole_url_of_the_receiver() -> None:
    """With the query, in which receivers have their tokens, and with the port in the name of the host."""
    with Receiver() as receiver:
        post(receiver)
        (request,) = receiver.requests

    assert receiver.url == f"http://{request.headers['host']}{request.path}"
    assert "?token=" in request.path


def test_the_standard_webhooks_library_accepts_the_signature() -> None:
    """Standard Webhooks 1.0: id, timestamp and body are signed; the content type is JSON."""
    with Receiver() as receiver:
        post(receiver)

    (request,) = receiver.requests
    assert json.loads(TEXT) == request.event
    assert ("application/cloudevents+json", EVENT) == (request.headers["content-type"], request.headers["webhook-id"])
    assert "/hooks?token=t0p" == request.path
    assert f"127.0.0.1:{receiver.port}" == request.headers["host"]
    assert request.headers["user-agent"].startswith("clipstitch/")


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_with_two_secrets_a_receiver_with_either_accepts_the_event(secret: str) -> None:
    """During a rotation both secrets sign, so the receiver can change its secret at any time."""
    with Receiver(secret=secret) as receiver:
        post(receiver, SECRET, OTHER_SECRET)

    assert 1 == len(receiver.events)
    assert 2 == len(receiver.requests[0].headers["webhook-signature"].split(" "))


def test_a_receiver_with_another_secret_rejects_the_event() -> None:
    """The receiver of these tests verifies signatures."""
    with Receiver(secret=OTHER_SECRET) as receiver:
        post(receiver, SECRET)

    assert [] == receiver.events
    assert 1 == len(receiver.requests)


def test_the_timestamp_is_the_time_of_the_attempt_in_utc() -> None:
    """A clock in another time zone gives the same timestamp."""
    at = datetime(2026, 1, 2, 5, 4, 5, 900_000, tzinfo=timezone(timedelta(hours=2)))
    with Receiver() as receiver:
        HttpWebhookSender(allow_private=True).post(webhook_to(receiver.url), EVENT, TEXT, at)

    headers = receiver.requests[0].headers
    signature = Verifier(SECRET).sign(EVENT, at.astimezone(timezone.utc), TEXT)
    assert ("1767323045", signature) == (headers["webhook-timestamp"], headers["webhook-signature"])


def test_the_timeout_applies_to_the_whole_response() -> None:
    """A response that arrives byte by byte times out, although no single byte is late."""
    with Receiver(Reply(endless=True)) as receiver:
        start = time.monotonic()
        with pytest.raises(WebhookNoResponse, match=r"within 0\.4 s"):
            post(receiver, timeout_s=0.4)

        assert time.monotonic() - start < 2


def test_the_timeout_includes_name_resolution() -> None:
    """No request is sent if the name is resolved after the timeout."""
    released = threading.Event()

    def resolve(*args: Any, **kwargs: Any) -> Any:
        released.wait(5)
        return socket.getaddrinfo(*args, **kwargs)

    with Receiver() as receiver:
        with pytest.raises(WebhookNoResponse, match=r"within 0\.2 s"):
            post(receiver, timeout_s=0.2, resolve=resolve)
        released.set()
        time.sleep(0.3)

    assert [] == receiver.requests


def test_a_refused_connection_and_an_unknown_host_raise_no_response() -> None:
    """The error does not contain the path, which may hold a secret."""
    with Receiver() as receiver:
        url = receiver.url
    for unreachable in (url, "http://nowhere.invalid/t0p", f"http://{'x' * 70}.invalid/t0p"):
        with pytest.raises(WebhookNoResponse) as caught:
            HttpWebhookSender(allow_private=True).post(webhook_to(unreachable), EVENT, TEXT, now())
        assert "t0p" not in str(caught.value)


def test_a_response_that_is_not_http_raises_no_response_without_quoting_it() -> None:
    """The response may contain secrets, so the error does not include it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, b"t0p t0p\r\n\r\n"), daemon=True).start()
        with pytest.raises(WebhookNoResponse, match="BadStatusLine") as caught:
            HttpWebhookSender(allow_private=True).post(
                webhook_to(f"http://127.0.0.1:{server.getsockname()[1]}/t0p"), EVENT, TEXT, now()
            )

    assert "t0p" not in str(caught.value)


def _answer(server: socket.socket, response: bytes) -> None:
    """Accept one connection and send a response."""
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(response)


# Addresses


class FakeResolver:
    """A resolver that returns the same addresses for every name and records the names."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.hosts: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        """Return a result in the form of `socket.getaddrinfo`."""
        self.hosts.append(host)
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        pairs = ((families[ipaddress.ip_address(address).version], address) for address in self._addresses)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in pairs]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "::1", "::ffff:10.0.0.1"]
)
def test_a_public_name_with_a_private_address_is_refused(address: str) -> None:
    """The address used for the connection is checked; the name is resolved only once."""
    resolver = FakeResolver(address)
    with pytest.raises(WebhookAddressRefused, match=r"partner\.example is at"):
        HttpWebhookSender(resolve=resolver).post(webhook_to("https://partner.example/t0p"), EVENT, TEXT, now())

    assert ["partner.example"] == resolver.hosts


def test_a_private_address_in_the_url_is_refused() -> None:
    """The system resolver recognizes every notation of the address."""
    with Receiver() as receiver:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"):
            with pytest.raises((WebhookAddressRefused, WebhookNoResponse)):
                HttpWebhookSender().post(webhook_to(f"https://{host}:{receiver.port}/"), EVENT, TEXT, now())

    assert [] == receiver.requests


def test_plain_http_to_a_public_address_is_refused_even_if_private_addresses_are_allowed() -> None:
    """Events are never sent over the internet without encryption."""
    with pytest.raises(WebhookAddressRefused, match="http webhooks are not sent"):
        HttpWebhookSender(allow_private=True, resolve=FakeResolver("8.8.8.8")).post(
            webhook_to("http://partner.example/"), EVENT, TEXT, now()
        )


def test_the_second_address_is_tried_if_the_first_refuses_the_connection() -> None:
    """A name may have an unreachable IPv6 address and a reachable IPv4 address."""
    with Receiver() as receiver:
        sender = HttpWebhookSender(allow_private=True, resolve=FakeResolver("::1", "127.0.0.1"))
        response = sender.post(webhook_to(f"http://partner.example:{receiver.port}/"), EVENT, TEXT, now())

    assert WebhookResponse(204) == response


# TLS


class TlsServer(NamedTuple):
    """The TLS context of a server, and the file with the certificate authority to trust."""

    context: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> TlsServer:
    """MakeCase a certificate for partner.example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "partner.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("partner.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return TlsServer(context, public)


def post_over_tls(tls_server: TlsServer, host: str, *, trusted: bool) -> tuple[WebhookResponse, Receiver]:
    """Post the test event to a TLS receiver under a host name."""
    trust = (lambda: ssl.create_default_context(cafile=str(tls_server.authority))) if trusted else None
    sender = HttpWebhookSender(allow_private=True, resolve=FakeResolver("127.0.0.1"), trust=trust)
    with Receiver(tls=tls_server.context) as receiver:
        return sender.post(webhook_to(f"https://{host}:{receiver.port}/hooks"), EVENT, TEXT, now()), receiver


def test_an_event_is_posted_over_tls(tls_server: TlsServer) -> None:
    """The certificate is verified for the host name, although the connection uses the address."""
    response, receiver = post_over_tls(tls_server, "partner.example", trusted=True)

    assert WebhookResponse(204) == response
    assert 1 == len(receiver.events)


def test_a_certificate_without_a_trusted_authority_is_rejected(tls_server: TlsServer) -> None:
    """By default the authorities of the system are trusted."""
    with pytest.raises(WebhookNoResponse, match="certificate is not accepted: self"):
        post_over_tls(tls_server, "partner.example", trusted=False)


def test_a_certificate_for_another_host_name_is_rejected(tls_server: TlsServer) -> None:
    """A trusted authority is not enough."""
    with pytest.raises(WebhookNoResponse, match="certificate is not accepted: Hostname mismatch"):
        post_over_tls(tls_server, "other.example", trusted=True)


def test_no_webhook_thread_remains_after_posting() -> None:
    """A function instance lives long, so leftover threads would accumulate."""
    with Receiver() as receiver:
        for _ in range(5):
            post(receiver)
        start = time.monotonic()
        while any(thread.name == "webhook" for thread in threading.enumerate()) and time.monotonic() - start < 5:
            time.sleep(0.01)

    assert "webhook" not in {thread.name for thread in threading.enumerate()}


def test_a_context_built_from_variables_refuses_private_addresses_unless_allowed() -> None:
    """CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE allows them."""
    with Receiver() as receiver:
        env = {
            **SMALLEST,
            **OSS,
            "CLIPSTITCH_SINKS": "partner=webhook:PARTNER",
            "CLIPSTITCH_WEBHOOK_PARTNER_URL": f"https://127.0.0.1:{receiver.port}/",
            "CLIPSTITCH_WEBHOOK_PARTNER_SECRET": SECRET,
        }
        refusing = build_context(env)
        env["CLIPSTITCH_WEBHOOK_PARTNER_URL"] = receiver.url
        allowing = build_context({**env, "CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "true"})

        with pytest.raises(WebhookAddressRefused):
            refusing.webhooks.post(refusing.settings.webhooks[0], EVENT, TEXT, now())
        assert WebhookResponse(204) == allowing.webhooks.post(allowing.settings.webhooks[0], EVENT, TEXT, now())


def test_building_a_context_does_not_import_the_webhook_library() -> None:
    """Cold starts without webhooks do not pay for the import."""
    env = {**SMALLEST, **OSS}
    build = f"from clipstitch.bootstrap import build_context; build_context({env!r})"
    script = f"import sys; {build}; print('standardwebhooks' in sys.modules)"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False" == completed.stdout.strip()
