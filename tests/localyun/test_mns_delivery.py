"""Deliveries: formats, filters, retries, real HTTP pushes, and survival of kill -9."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from localyun.clock import HostClock
from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage
from tests.localyun.mns_world import ARN, PLACE, TurnedClock, World, eventually, served, world

NS = "{http://mns.aliyuncs.com/doc/v1/}"
FUNCTION = "acs:fc:cn-hangzhou:1234567890:functions/f"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[MessageService]:
    """Run a service that retries a thousand times faster, with a queue q and a topic t."""
    running = MessageService(tmp_path, HostClock(), **PLACE, time_scale=1000)
    running.queues.create("q")
    running.topics.create("t")
    running.start()
    yield running
    running.close()


@dataclass
class Receiver:
    """An endpoint that fails as often as it is told, and remembers what it was handed."""

    failures: int = 0

    def __post_init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.at: list[float] = []

    def __call__(self, subscription: Subscription, published: TopicMessage) -> None:
        """Take a message, or raise."""
        self.got.append((subscription.name, published.body))
        self.at.append(time.monotonic())
        if len(self.got) <= self.failures:
            raise ConnectionError("not now")


def test_fresh_message_is_delivered_within_milliseconds(service: MessageService):
    """Workers wait for a signal, not for a tick; the best of ten shows it."""
    receiver = Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    delays = []
    for number in range(10):
        start = time.monotonic()
        service.publish("t", "x")
        assert eventually(lambda count=number: len(receiver.got) > count)
        delays.append(receiver.at[-1] - start)

    assert min(delays) < 0.02


def test_filter_tag_lets_only_equal_tags_through(service: MessageService):
    """A subscription without a tag hears everything."""
    receiver = Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "all", endpoint=FUNCTION)
    service.topics.subscribe("t", "audio", endpoint=FUNCTION, filter_tag="audio")
    for tag in ("audio", "video", ""):
        service.publish("t", tag or "none", tag=tag)
    eventually(lambda: len(receiver.got) >= 4)

    assert sorted(receiver.got) == [("all", "audio"), ("all", "none"), ("all", "video"), ("audio", "audio")]


def test_longest_prefix_wins(service: MessageService):
    """A special deliverer takes its endpoints from a general one."""
    general, special = Receiver(), Receiver()
    service.deliver_to("acs:fc:", general)
    service.deliver_to(FUNCTION, special)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    service.publish("t", "x")

    assert eventually(lambda: special.got)
    assert general.got == []


def test_failed_delivery_is_made_again_until_it_succeeds(service: MessageService):
    """BACKOFF_RETRY: two failures, each followed by 10 to 20 (hurried) seconds, then success; then nothing more."""
    receiver = Receiver(failures=2)
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    service.publish("t", "x")
    eventually(lambda: len(receiver.got) == 3)
    gaps = [after - before for before, after in zip(receiver.at, receiver.at[1:], strict=False)]

    assert len(receiver.got) == 3
    assert all(gap >= 0.0095 for gap in gaps)
    assert eventually(lambda: service.topics.get("t").message_count == 0)


def test_backoff_gives_up_after_three_retries_and_says_so(service: MessageService, caplog):
    """Four attempts in all; the message is forgotten and the log names it."""
    receiver = Receiver(failures=99)
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    published = service.publish("t", "x")
    gone = eventually(lambda: service.topics.get("t").message_count == 0)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    assert gone
    assert len(receiver.got) == 4
    assert "given up after 4 attempts" in errors[0]
    assert published.message_id in errors[0]


def test_exponential_decay_tries_176_more_times(tmp_path: Path):
    """Hurried a million times, all 177 attempts happen; the pauses double up to 512 s."""
    service = MessageService(tmp_path, HostClock(), **PLACE, time_scale=1e6)
    receiver = Receiver(failures=999)
    service.topics.create("t")
    service.deliver_to("acs:fc:", receiver)
    service.topics.subscribe("t", "s", endpoint=FUNCTION, strategy="EXPONENTIAL_DECAY_RETRY")
    service.start()
    service.publish("t", "x")
    gone = eventually(lambda: service.topics.get("t").message_count == 0, 20)
    service.close()

    assert gone
    assert len(receiver.got) == 177


def test_undeliverable_message_becomes_a_dead_letter(service: MessageService):
    """A subscription with a dead-letter queue loses nothing."""
    service.deliver_to("acs:fc:", Receiver(failures=99))
    service.topics.subscribe("t", "s", endpoint=FUNCTION, dead_letter_queue="q")
    published = service.publish("t", "x")
    [letter] = service.receive("q", 5)

    assert letter.body == "x"
    assert {item.name: item.value for item in letter.properties.system} == {
        "DLQSourceArn": f"{ARN}:/topics/t",
        "DLQOriginMessageId": published.message_id,
    }


def test_slow_subscription_does_not_hold_up_others(service: MessageService):
    """However many messages one endpoint sits on, another gets its own at once."""
    release, quick = threading.Event(), Receiver()
    service.deliver_to("acs:fc:", lambda *_: release.wait(5))
    service.deliver_to(FUNCTION, quick)
    service.topics.create("slow")
    service.topics.subscribe("slow", "s", endpoint="acs:fc:cn-hangzhou:1234567890:functions/slow")
    service.topics.subscribe("t", "s", endpoint=FUNCTION)
    for _ in range(20):
        service.publish("slow", "x")
    service.publish("t", "x")
    delivered = eventually(lambda: quick.got, 2)
    release.set()

    assert delivered


def test_queue_made_too_late_still_gets_the_message(service: MessageService):
    """A missing queue is a failed attempt like any other."""
    service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/late", content_format="SIMPLIFIED")
    service.publish("t", "patience")
    service.queues.create("late")

    assert [message.body for message in service.receive("late", 5)] == ["patience"]


def test_queue_gets_the_json_notification(service: MessageService):
    """The document tells topic, subscription, digest, tag and time."""
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


def test_queue_gets_the_xml_notification(service: MessageService):
    """Markup in the message is text in the document."""
    service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/q", content_format="XML")
    service.publish("t", "<a>&</a>")
    root = ET.fromstring(service.receive("q", 5)[0].body)

    assert root.tag == f"{NS}Notification"
    assert root.findtext(f"{NS}Message") == "<a>&</a>"
    assert root.find(f"{NS}MessageTag") is None


def test_unsubscribing_forgets_what_was_owed(service: MessageService):
    """A subscription that is gone gets nothing more, and its messages are not kept."""
    service.topics.subscribe("t", "s", endpoint=FUNCTION, strategy="EXPONENTIAL_DECAY_RETRY")
    service.publish("t", "x")
    service.topics.unsubscribe("t", "s")

    assert eventually(lambda: service.topics.get("t").message_count == 0)


def test_message_nobody_subscribed_to_is_not_kept(service: MessageService):
    """Publishing succeeds; nothing is owed."""
    assert service.publish("t", "x").message_id
    assert service.topics.get("t").message_count == 0


def test_publishing_to_a_missing_topic_is_refused(service: MessageService):
    """The caller learns it at once."""
    with pytest.raises(ServiceError, match="TopicNotExist"):
        service.publish("none", "x")


# -- pushes over HTTP


class Endpoint:
    """A web server that keeps what it is sent, and answers with the statuses it is given, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.calls = list(statuses), list[HttpRequest]()
        self.bodies: list[bytes] = []

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Keep the call."""
        self.calls.append(call)
        self.bodies.append(call.read())
        return HttpResponse(self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Run a face with a topic, t."""
    with world(tmp_path) as running:
        running.service.topics.create("t")
        running.face.base_url = running.url
        yield running


def pushed(w: World, endpoint: Endpoint, count: int = 1, **options: str) -> None:
    """Publish one message to an HTTP endpoint and wait until it was called `count` times."""
    with served(asgi_app(endpoint.answer)) as url:
        w.service.topics.subscribe("t", "s", endpoint=f"{url}/hook?x=1", **options)
        w.service.publish("t", "夜 & <day>", tag="audio")
        assert eventually(lambda: len(endpoint.bodies) == count)
        assert eventually(lambda: w.service.topics.get("t").message_count == 0)


def test_push_signature_is_proved_by_the_served_certificate(w: World):
    """What a careful receiver does: fetch the certificate, rebuild the text, verify."""
    endpoint = Endpoint()
    pushed(w, endpoint)
    call = endpoint.calls[0]
    url = b64decode(call.headers["x-mns-signing-cert-url"]).decode()
    key = x509.load_pem_x509_certificate(httpx.get(url).content).public_key()
    extra = [f"{name}:{value}" for name, value in sorted(call.headers.items()) if name.startswith("x-mns-")]
    fixed = ["POST", *(call.headers[name] for name in ("content-md5", "content-type", "date"))]
    text = "\n".join([*fixed, *extra, "/hook?x=1"])

    assert url.startswith(w.url)
    key.verify(b64decode(call.headers["authorization"]), text.encode(), padding.PKCS1v15(), hashes.SHA1())


@pytest.mark.parametrize(
    ("content_format", "kind"),
    [("XML", "text/xml"), ("JSON", "application/json"), ("SIMPLIFIED", "text/plain")],
)
def test_push_has_the_subscriptions_format(w: World, content_format, kind):
    """Two documents and the bare body, whose id and tag travel as headers."""
    endpoint = Endpoint()
    pushed(w, endpoint, content_format=content_format)
    body, headers = endpoint.bodies[0].decode(), endpoint.calls[0].headers
    read = {
        "XML": lambda: ET.fromstring(body).findtext(f"{NS}Message"),
        "JSON": lambda: json.loads(body)["Message"],
        "SIMPLIFIED": lambda: body,
    }

    assert read[content_format]() == "夜 & <day>"
    assert headers["content-type"].startswith(kind)
    assert ("x-mns-message-tag" in headers) == (content_format == "SIMPLIFIED")


def test_push_is_repeated_until_the_endpoint_says_2xx(w: World):
    """A redirect is no success either."""
    endpoint = Endpoint(500, 302)
    pushed(w, endpoint, count=3)

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
service.publish("t", "owed", attributes={"DirectMail": "{}"})
service.start()
time.sleep(60)
"""


def test_killed_process_keeps_messages_and_makes_its_deliveries_again(tmp_path: Path):
    """After kill -9 in the middle of a delivery, the message is delivered by the next run."""
    command = [sys.executable, "-c", CHILD, str(tmp_path), FUNCTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    service, receiver = MessageService(tmp_path, HostClock(), **PLACE), Receiver()
    service.deliver_to("acs:fc:", receiver)
    service.start()
    delivered = eventually(lambda: receiver.got)
    kept = service.receive("q")
    forgotten = eventually(lambda: service.topics.get("t").message_count == 0)
    service.close()

    assert delivered
    assert receiver.got == [("s", "owed")]
    assert [message.body for message in kept] == ["kept"]
    assert forgotten


def test_failure_while_closing_costs_no_attempt(tmp_path: Path):
    """Functions stop before messages do; that is not the subscriber's fault."""
    entered, released = threading.Event(), threading.Event()
    service = MessageService(tmp_path, HostClock(), **PLACE)

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
    again, receiver = MessageService(tmp_path, HostClock(), **PLACE), Receiver()
    again.deliver_to("acs:fc:", receiver)
    again.start()
    delivered = eventually(lambda: receiver.got)
    again.close()

    assert delivered


def test_message_owed_for_over_a_day_is_dropped_at_the_start(tmp_path: Path):
    """Topics keep a message for one day."""
    clock = TurnedClock()
    first = MessageService(tmp_path, clock, **PLACE)
    first.topics.create("t")
    first.topics.subscribe("t", "s", endpoint=FUNCTION)
    first.publish("t", "x")
    first.close()
    clock.turn(86_401)
    second = MessageService(tmp_path, clock, **PLACE)
    second.start()
    left = second.topics.get("t").message_count
    second.close()

    assert left == 0
