"""Deliveries: formats, filters, retries, real HTTP pushes, and survival of kill -9."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from localyun.clock import HostClock
from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage
from tests.localyun.mns_world import ARN, AdjustableClock, World, eventually, message_service, served, world

NS = "{http://mns.aliyuncs.com/doc/v1/}"
FUNCTION = "acs:fc:cn-hangzhou:1234567890:functions/f"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[MessageService]:
    """Run a service that retries 1000 times faster, with a queue q and a topic t."""
    running = message_service(tmp_path, HostClock(), 1000)
    running.queues.create("q")
    running.topics.create("t")
    running.start()
    yield running
    running.close()


@dataclass
class Receiver:
    """A deliverer that fails a given number of times and records what it receives."""

    failures: int = 0

    def __post_init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.at: list[float] = []

    def __call__(self, subscription: Subscription, published: TopicMessage) -> None:
        """Accept a message, or raise an exception."""
        self.received.append((subscription.name, published.body))
        self.at.append(time.monotonic())
        if len(self.received) <= self.failures:
            raise ConnectionError("not now")


def test_fresh_message_is_delivered_within_milliseconds(service: MessageService) -> None:
    """Workers are notified instead of polling; the fastest of ten deliveries shows it."""
    receiver = Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    delays = []
    for number in range(10):
        start = time.monotonic()
        service.publish("t", "x")
        assert eventually(partial(lambda count: len(receiver.received) > count, number))
        delays.append(receiver.at[-1] - start)

    assert min(delays) < 0.02


def test_filter_tag_selects_messages_with_equal_tags(service: MessageService) -> None:
    """A subscription without a filter tag receives all messages."""
    receiver = Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "all", endpoint=FUNCTION)
    service.topics.subscribe("t", "audio", endpoint=FUNCTION, filter_tag="audio")
    for tag in ("audio", "video", ""):
        service.publish("t", tag or "none", tag=tag)
    eventually(lambda: len(receiver.received) >= 4)

    assert sorted(receiver.received) == [("all", "audio"), ("all", "none"), ("all", "video"), ("audio", "audio")]


def test_longest_prefix_wins(service: MessageService) -> None:
    """The deliverer with the longer prefix receives the message."""
    general, special = Receiver(), Receiver()
    service.deliver_to("acs:fc:", general)
    service.deliver_to(FUNCTION, special)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    service.publish("t", "x")

    assert eventually(lambda: special.received)
    assert general.received == []


def test_failed_delivery_is_retried_until_it_succeeds(service: MessageService) -> None:
    """BACKOFF_RETRY: two failures, each followed by a delay of 10 to 20 s (divided by the time scale), then success."""
    receiver = Receiver(failures=2)
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    service.publish("t", "x")
    eventually(lambda: len(receiver.received) == 3)
    gaps = [after - before for before, after in zip(receiver.at, receiver.at[1:], strict=False)]

    assert len(receiver.received) == 3
    assert all(gap >= 0.0095 for gap in gaps)
    assert eventually(lambda: service.topics.get("t").message_count == 0)


def test_backoff_gives_up_after_three_retries_and_logs_an_error(
    service: MessageService, caplog: pytest.LogCaptureFixture
) -> None:
    """There are four attempts; then the message is deleted, and the log has its id."""
    receiver = Receiver(failures=99)
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    published = service.publish("t", "x")
    deleted = eventually(lambda: service.topics.get("t").message_count == 0)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    assert deleted
    assert len(receiver.received) == 4
    assert "given up after 4 attempts" in errors[0]
    assert published.message_id in errors[0]


def test_exponential_decay_retries_176_times(tmp_path: Path) -> None:
    """With a time scale of a million, all 177 attempts happen; the delays double up to 512 s."""
    service = message_service(tmp_path, HostClock(), 1e6)
    receiver = Receiver(failures=999)
    service.topics.create("t")
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION, strategy="EXPONENTIAL_DECAY_RETRY")
    service.start()
    service.publish("t", "x")
    deleted = eventually(lambda: service.topics.get("t").message_count == 0, 20)
    service.close()

    assert deleted
    assert len(receiver.received) == 177


def test_undeliverable_message_becomes_a_dead_letter_message(service: MessageService) -> None:
    """A subscription with a dead-letter queue loses no message."""
    service.deliver_to("acs:fc:", Receiver(failures=99))
    service.topics.subscribe("t", "s", endpoint=FUNCTION, dead_letter_queue="q")
    published = service.publish("t", "x")
    [dead] = service.receive("q", 5)

    assert dead.body == "x"
    assert {item.name: item.value for item in dead.properties.system} == {
        "DLQSourceArn": f"{ARN}:/topics/t",
        "DLQOriginMessageId": published.message_id,
    }


def test_slow_subscription_does_not_delay_others(service: MessageService) -> None:
    """Many messages of one slow endpoint do not delay the message of another endpoint."""
    release, quick = threading.Event(), Receiver()

    def slow(_subscription: Subscription, _message: TopicMessage) -> None:
        release.wait(5)

    service.deliver_to("acs:fc:", slow)
    service.deliver_to(FUNCTION, quick)
    service.topics.create("slow")
    service.topics.subscribe("slow", "s", endpoint="acs:fc:cn-hangzhou:1234567890:functions/slow")
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    for _ in range(20):
        service.publish("slow", "x")
    service.publish("t", "x")
    delivered = eventually(lambda: quick.received, 2)
    release.set()

    assert delivered


def test_queue_created_after_publishing_receives_the_message(service: MessageService) -> None:
    """A missing queue is a failed attempt, which is retried."""
    service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/late", content_format="SIMPLIFIED")
    service.publish("t", "retried")
    service.queues.create("late")

    assert [message.body for message in service.receive("late", 5)] == ["retried"]


def test_queue_receives_the_json_notification(service: MessageService) -> None:
    """The document has topic, subscription, digest, tag and time."""
    service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/q", content_format="JSON")
    published = service.publish("t", '{"a":"夜"}', tag="audio")
    [message] = service.receive("q", 5)

    assert json.loads(message.body) == {
        "TopicOwner": "1234567890",
        "TopicName": "t",
        "Subscriber": "1234567890",
        "SubscriptionName": "s",
        "MessageId": published.message_id,
        "Message": '{"a":"夜"}',
        "MessageMD5": published.body_md5,
        "MessageTag": "audio",
        "PublishTime": round(published.publish_time.timestamp() * 1000),
    }


def test_queue_receives_the_xml_notification(service: MessageService) -> None:
    """Markup in the message is escaped in the document."""
    service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/q", content_format="XML")
    service.publish("t", "<a>&</a>")
    root = ET.fromstring(service.receive("q", 5)[0].body)

    assert root.tag == f"{NS}Notification"
    assert root.findtext(f"{NS}Message") == "<a>&</a>"
    assert root.find(f"{NS}MessageTag") is None


def test_unsubscribing_deletes_undelivered_messages(service: MessageService) -> None:
    """Without the subscription, its messages are not kept."""
    service.topics.subscribe("t", "s", endpoint=FUNCTION, strategy="EXPONENTIAL_DECAY_RETRY")
    service.publish("t", "x")
    service.topics.unsubscribe("t", "s")

    assert eventually(lambda: service.topics.get("t").message_count == 0)


def test_message_without_subscribers_is_not_kept(service: MessageService) -> None:
    """Publishing succeeds, and there is no pending delivery."""
    assert service.publish("t", "x").message_id
    assert service.topics.get("t").message_count == 0


def test_publishing_to_a_missing_topic_is_rejected(service: MessageService) -> None:
    """Publishing raises the error."""
    with pytest.raises(ServiceError, match="TopicNotExist"):
        service.publish("none", "x")


# -- pushes over HTTP


class Endpoint:
    """A web server that records requests and answers with the given statuses, then with 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.calls = list(statuses), list[HttpRequest]()
        self.bodies: list[bytes] = []

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Record the request."""
        self.calls.append(call)
        self.bodies.append(call.read())
        return HttpResponse(self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Run an HTTP endpoint with a topic, t."""
    with world(tmp_path) as new:
        new.service.topics.create("t")
        new.endpoint.base_url = new.url
        yield new


def push(w: World, endpoint: Endpoint, count: int = 1, **options: str) -> None:
    """Publish one message to an HTTP endpoint and wait for `count` requests."""
    with served(asgi_app(endpoint.answer)) as url:
        w.service.topics.subscribe("t", "s", endpoint=f"{url}/hook?x=1", **options)
        w.service.publish("t", "夜 & <day>", tag="audio")
        assert eventually(lambda: len(endpoint.bodies) == count)
        assert eventually(lambda: w.service.topics.get("t").message_count == 0)


def test_push_signature_can_be_verified_with_the_served_certificate(w: World) -> None:
    """A receiver fetches the certificate, rebuilds the string to sign, and verifies the signature."""
    endpoint = Endpoint()
    push(w, endpoint)
    call = endpoint.calls[0]
    url = b64decode(call.headers["x-mns-signing-cert-url"]).decode()
    key = x509.load_pem_x509_certificate(httpx.get(url).content).public_key()
    assert isinstance(key, RSAPublicKey)
    extra = [f"{name}:{value}" for name, value in sorted(call.headers.items()) if name.startswith("x-mns-")]
    fixed = ["POST", *(call.headers[name] for name in ("content-md5", "content-type", "date"))]
    text = "\n".join([*fixed, *extra, "/hook?x=1"])

    assert url.startswith(w.url)
    key.verify(b64decode(call.headers["authorization"]), text.encode(), padding.PKCS1v15(), hashes.SHA1())


@pytest.mark.parametrize(
    ("content_format", "kind"),
    [("XML", "text/xml"), ("JSON", "application/json"), ("SIMPLIFIED", "text/plain")],
)
def test_push_has_the_content_format_of_the_subscription(w: World, content_format: str, kind: str) -> None:
    """XML and JSON are documents; SIMPLIFIED is the body alone, with id and tag in headers."""
    endpoint = Endpoint()
    push(w, endpoint, content_format=content_format)
    body, headers = endpoint.bodies[0].decode(), endpoint.calls[0].headers
    read: dict[str, Callable[[], object]] = {
        "XML": lambda: ET.fromstring(body).findtext(f"{NS}Message"),
        "JSON": lambda: json.loads(body)["Message"],
        "SIMPLIFIED": lambda: body,
    }

    assert read[content_format]() == "夜 & <day>"
    assert headers["content-type"].startswith(kind)
    assert ("x-mns-message-tag" in headers) == (content_format == "SIMPLIFIED")


def test_push_writes_headers_as_receivers_look_them_up(w: World) -> None:
    """A receiver of the Java SDK compares names exactly; an endpoint without a path receives at /notifications."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, dict(self.headers.items())))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        w.service.topics.subscribe("t", "s", endpoint=url, content_format="SIMPLIFIED")
        message = w.service.publish("t", "x", tag="audio")
        assert eventually(lambda: seen)
    path, headers = seen[0]
    named = {name: headers.get(f"x-mns-{name}") for name in ("topic-owner", "topic-name", "subscription-name")}

    assert path == "/notifications"
    assert {"Authorization", "Content-md5", "Content-Type", "Date", "User-Agent"} <= set(headers)
    assert named == {"topic-owner": "1234567890", "topic-name": "t", "subscription-name": "s"}
    assert (headers["x-mns-message-id"], headers["x-mns-message-tag"]) == (message.message_id, "audio")


def test_push_is_repeated_until_the_endpoint_answers_2xx(w: World) -> None:
    """A redirect is not a success."""
    endpoint = Endpoint(500, 302)
    push(w, endpoint, count=3)

    assert len(set(endpoint.bodies)) == 1


# -- restarts

CHILD = """
import sys, time
from pathlib import Path
from localyun.clock import HostClock
from localyun.smq.service import MessageService

def slow(subscription, published):
    print("delivering", flush=True)
    time.sleep(60)

service = MessageService(Path(sys.argv[1]), HostClock(), account_id="1234567890", region="cn-hangzhou")
service.queues.create("q")
service.topics.create("t")
service.deliver_to("acs:fc:", slow)
service.topics.subscribe("t", "s", endpoint=sys.argv[2])
service.send("q", "kept")
service.publish("t", "pending", attributes={"DirectMail": "{}"})
service.start()
time.sleep(60)
"""


def test_messages_and_deliveries_survive_kill_9(tmp_path: Path) -> None:
    """After kill -9 during a delivery, the next process delivers the message."""
    command = [sys.executable, "-c", CHILD, str(tmp_path), FUNCTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    service, receiver = message_service(tmp_path, HostClock()), Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.start()
    delivered = eventually(lambda: receiver.received)
    kept = service.receive("q")
    deleted = eventually(lambda: service.topics.get("t").message_count == 0)
    service.close()

    assert delivered
    assert receiver.received == [("s", "pending")]
    assert [message.body for message in kept] == ["kept"]
    assert deleted


def test_failure_while_stopping_costs_no_attempt(tmp_path: Path) -> None:
    """Functions stop before the message service, so that their errors say nothing about the subscriber."""
    entered, released = threading.Event(), threading.Event()
    service = message_service(tmp_path, HostClock())

    def broken(*_: object) -> None:
        entered.set()
        released.wait(5)
        raise ConnectionError("closing")

    service.topics.create("t")
    service.deliver_to("acs:fc:", broken)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    service.start()
    service.publish("t", "x")
    entered.wait(5)
    service.stop()
    released.set()
    service.close()
    again, receiver = message_service(tmp_path, HostClock()), Receiver()
    again.deliver_to("acs:fc:", receiver)
    again.start()
    delivered = eventually(lambda: receiver.received)
    again.close()

    assert delivered


def test_message_pending_for_over_a_day_is_dropped_at_the_start(tmp_path: Path) -> None:
    """Topics keep a message for one day."""
    clock = AdjustableClock()
    first = message_service(tmp_path, clock)
    first.topics.create("t")
    first.topics.subscribe("t", "s", endpoint=FUNCTION)
    first.publish("t", "x")
    first.close()
    clock.advance(86_401)
    second = message_service(tmp_path, clock)
    second.start()
    left = second.topics.get("t").message_count
    second.close()

    assert left == 0
