"""What every `WebhookSender` port promises; and what only the one over HTTP must: whom it calls, and how."""

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
    """Return the time that a receiver compares with."""
    return SystemClock().now()


class Made(NamedTuple):
    """An implementation, somebody to tell, and the texts that came, by event id."""

    hooks: WebhookSender
    hook: Webhook
    heard: Callable[[], list[tuple[str, str]]]


Make = Callable[..., Made]


@pytest.fixture(params=["memory", "http"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Return a maker of implementations whose receiver gives certain replies."""
    with ExitStack() as exits:

        def over_http(*replies: Reply) -> Made:
            receiver = exits.enter_context(Receiver(*replies))
            heard = lambda: [(one.headers["webhook-id"], one.body.decode()) for one in receiver.heard]  # noqa: E731
            return Made(HttpWebhookSender(allow_private=True, timeout_s=1), to(receiver.url), heard)

        yield in_memory if request.param == "memory" else over_http


def in_memory(*replies: Reply) -> Made:
    """Make the reference."""
    hooks = MemoryWebhookSender()
    late = WebhookNoResponse("no answer within 1 s")
    hooks.answers["PARTNER"] = [
        late if reply.after_s else WebhookResponse(reply.status, reply.headers.get("Retry-After", ""))
        for reply in replies
    ]
    return Made(hooks, to("https://partner.example"), lambda: [(one.event_id, one.text) for one in hooks.posted])


def to(url: str, *secrets: str) -> Webhook:
    """Return a receiver's settings."""
    return Webhook("PARTNER", url, secrets or (SECRET,))


def test_a_text_arrives_as_it_was_under_the_events_id(make: Make):
    """Whatever characters it has."""
    made = make()
    made.hooks.post(made.hook, EVENT, TEXT, now())

    assert [(EVENT, TEXT)] == made.heard()


@pytest.mark.parametrize("status", [200, 204, 299, 400, 404, 410, 429, 500, 503])
def test_the_status_is_handed_on(make: Make, status: int):
    """What it means is not the port's business."""
    made = make(Reply(status))

    assert WebhookResponse(status) == made.hooks.post(made.hook, EVENT, TEXT, now())


def test_retry_after_is_handed_on_as_it_came(make: Make):
    """Seconds or a date."""
    made = make(Reply(503, {"Retry-After": "Fri, 02 Jan 2026 12:10:00 GMT"}))

    assert WebhookResponse(503, "Fri, 02 Jan 2026 12:10:00 GMT") == made.hooks.post(made.hook, EVENT, TEXT, now())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(make: Make, status: int):
    """Nobody else gets the event."""
    made = make(Reply(status, {"Location": "/elsewhere"}))

    assert status == made.hooks.post(made.hook, EVENT, TEXT, now()).status
    assert 1 == len(made.heard())


def test_a_receiver_that_takes_too_long_gave_no_answer(make: Make):
    """It may have heard even so."""
    made = make(Reply(after_s=5))

    with pytest.raises(WebhookNoResponse, match="within 1 s"):
        made.hooks.post(made.hook, EVENT, TEXT, now())
    assert 1 == len(made.heard())


# Only over HTTP


def post(receiver: Receiver, *secrets: str, **options: Any) -> WebhookResponse:
    """Tell a receiver on this machine."""
    return HttpWebhookSender(allow_private=True, **options).post(to(receiver.url, *secrets), EVENT, TEXT, now())


def test_the_receivers_own_library_accepts_the_signature():
    """Standard Webhooks 1.0: id, timestamp and body are signed; the body is JSON and says so."""
    with Receiver() as receiver:
        post(receiver)

    (heard,) = receiver.heard
    assert json.loads(TEXT) == heard.event
    assert ("application/json", EVENT) == (heard.headers["content-type"], heard.headers["webhook-id"])
    assert "/hooks?token=t0p" == heard.path
    assert f"127.0.0.1:{receiver.port}" == heard.headers["host"]
    assert heard.headers["user-agent"].startswith("clipstitch/")


@pytest.mark.parametrize("held", [SECRET, OTHER_SECRET])
def test_while_a_key_is_replaced_a_receiver_may_hold_either(held: str):
    """Both sign."""
    with Receiver(secret=held) as receiver:
        post(receiver, SECRET, OTHER_SECRET)

    assert 1 == len(receiver.events)
    assert 2 == len(receiver.heard[0].headers["webhook-signature"].split(" "))


def test_a_receiver_with_another_key_does_not_accept_it():
    """The test's receiver does look."""
    with Receiver(secret=OTHER_SECRET) as receiver:
        post(receiver, SECRET)

    assert [] == receiver.events
    assert 1 == len(receiver.heard)


def test_the_timestamp_is_that_of_the_attempt():
    """In UTC, wherever the clock says it is."""
    at = datetime(2026, 1, 2, 5, 4, 5, 900_000, tzinfo=timezone(timedelta(hours=2)))
    with Receiver() as receiver:
        HttpWebhookSender(allow_private=True).post(to(receiver.url), EVENT, TEXT, at)

    headers = receiver.heard[0].headers
    signature = Verifier(SECRET).sign(EVENT, at.astimezone(timezone.utc), TEXT)
    assert ("1767323045", signature) == (headers["webhook-timestamp"], headers["webhook-signature"])


def test_slow_drops_do_not_hold_us_up():
    """The time is for everything together; each drop would be in time."""
    with Receiver(Reply(drops=True)) as receiver:
        began = time.monotonic()
        with pytest.raises(WebhookNoResponse, match=r"within 0\.4 s"):
            post(receiver, timeout_s=0.4)

        assert time.monotonic() - began < 2


def test_a_slow_resolver_does_not_hold_us_up():
    """Nor is anybody called who is found too late."""
    found = threading.Event()

    def resolve(*args: Any, **kwargs: Any) -> Any:
        found.wait(5)
        return socket.getaddrinfo(*args, **kwargs)

    with Receiver() as receiver:
        with pytest.raises(WebhookNoResponse, match=r"within 0\.2 s"):
            post(receiver, timeout_s=0.2, resolve=resolve)
        found.set()
        time.sleep(0.3)

    assert [] == receiver.heard


def test_nobody_there_is_no_answer():
    """A refused connection, and a name that does not exist."""
    with Receiver() as receiver:
        url = receiver.url
    for nowhere in (url, "http://nowhere.invalid/t0p", f"http://{'x' * 70}.invalid/t0p"):
        with pytest.raises(WebhookNoResponse) as caught:
            HttpWebhookSender(allow_private=True).post(to(nowhere), EVENT, TEXT, now())
        assert "t0p" not in str(caught.value)


def test_what_is_not_http_is_no_answer_and_is_not_repeated():
    """A receiver's words may be anything, our secrets too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, b"t0p t0p\r\n\r\n"), daemon=True).start()
        with pytest.raises(WebhookNoResponse, match="BadStatusLine") as caught:
            HttpWebhookSender(allow_private=True).post(
                to(f"http://127.0.0.1:{server.getsockname()[1]}/t0p"), EVENT, TEXT, now()
            )

    assert "t0p" not in str(caught.value)


def _answer(server: socket.socket, words: bytes) -> None:
    """Take one connection and say something."""
    build_context, _ = server.accept()
    with build_context:
        build_context.recv(65536)
        build_context.sendall(words)


# Whom it calls


class Names:
    """A resolver: every name leads to the same addresses, and who asked is kept."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        """Answer as `socket.getaddrinfo` does."""
        self.asked.append(host)
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        found = ((kinds[ipaddress.ip_address(address).version], address) for address in self._addresses)
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in found]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "::1", "::ffff:10.0.0.1"]
)
def test_a_public_name_that_leads_to_a_private_address_is_not_called(address: str):
    """It is the address that counts, at the moment of connecting; it is asked for once."""
    names = Names(address)
    with pytest.raises(WebhookAddressRefused, match=r"partner\.example is at"):
        HttpWebhookSender(resolve=names).post(to("https://partner.example/t0p"), EVENT, TEXT, now())

    assert ["partner.example"] == names.asked


def test_a_private_address_in_the_url_itself_is_not_called():
    """The real resolver reads it, however it is spelled."""
    with Receiver() as receiver:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"):
            with pytest.raises((WebhookAddressRefused, WebhookNoResponse)):
                HttpWebhookSender().post(to(f"https://{host}:{receiver.port}/"), EVENT, TEXT, now())

    assert [] == receiver.heard


def test_a_public_address_is_not_called_without_tls_even_where_private_ones_are_allowed():
    """Events do not cross the internet in the clear."""
    with pytest.raises(WebhookAddressRefused, match="http webhooks are not sent"):
        HttpWebhookSender(allow_private=True, resolve=Names("8.8.8.8")).post(
            to("http://partner.example/"), EVENT, TEXT, now()
        )


def test_a_second_address_is_called_when_the_first_does_not_answer():
    """As every client does."""
    with Receiver() as receiver:
        hooks = HttpWebhookSender(allow_private=True, resolve=Names("::1", "127.0.0.1"))
        answer = hooks.post(to(f"http://partner.example:{receiver.port}/"), EVENT, TEXT, now())

    assert WebhookResponse(204) == answer


# TLS


class Certified(NamedTuple):
    """A server's side of TLS, and the file with the authority that vouches for it."""

    server: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Make a certificate for partner.example, signed by itself."""
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
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    return Certified(server, public)


def secure(certified: Certified, host: str, *, trusted: bool) -> tuple[WebhookResponse, Receiver]:
    """Tell a receiver behind TLS under some name."""
    trust = (lambda: ssl.create_default_context(cafile=str(certified.authority))) if trusted else None
    hooks = HttpWebhookSender(allow_private=True, resolve=Names("127.0.0.1"), trust=trust)
    with Receiver(tls=certified.server) as receiver:
        return hooks.post(to(f"https://{host}:{receiver.port}/hooks"), EVENT, TEXT, now()), receiver


def test_a_receiver_behind_tls_is_told(certified: Certified):
    """The certificate is for the name, though we connect to an address."""
    answer, receiver = secure(certified, "partner.example", trusted=True)

    assert WebhookResponse(204) == answer
    assert 1 == len(receiver.events)


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(certified: Certified):
    """The machine's own authorities count."""
    with pytest.raises(WebhookNoResponse, match="certificate is not accepted: self"):
        secure(certified, "partner.example", trusted=False)


def test_a_certificate_for_another_name_is_not_accepted(certified: Certified):
    """Whoever holds it."""
    with pytest.raises(WebhookNoResponse, match="certificate is not accepted: Hostname mismatch"):
        secure(certified, "other.example", trusted=True)


def test_no_thread_and_no_connection_stays_behind():
    """An instance of a function lives long."""
    with Receiver() as receiver:
        for _ in range(5):
            post(receiver)
        before = time.monotonic()
        while any(thread.name == "webhook" for thread in threading.enumerate()) and time.monotonic() - before < 5:
            time.sleep(0.01)

    assert "webhook" not in {thread.name for thread in threading.enumerate()}


def test_wired_from_an_environment_private_addresses_are_refused_unless_allowed():
    """The settings decide."""
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

        assert refusing.hooks
        assert allowing.hooks
        with pytest.raises(WebhookAddressRefused):
            refusing.hooks.post(refusing.settings.webhooks[0], EVENT, TEXT, now())
        assert WebhookResponse(204) == allowing.hooks.post(allowing.settings.webhooks[0], EVENT, TEXT, now())


def test_nothing_is_imported_for_webhooks_until_one_is_told():
    """Cold starts do not pay for them."""
    env = {**SMALLEST, **OSS}
    script = f"import sys; from clipstitch.bootstrap import build_context; build_context({env!r}); print('standardwebhooks' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()
