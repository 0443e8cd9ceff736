"""The consumers of examples/consume, unchanged, as child processes of their own, against a running local cloud.

Events come from real jobs; duplicates are delivered on purpose, in every way that we know of.
"""

import base64
import hashlib
import json
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from mns.account import Account
from mns.queue import Message, Queue, QueueMeta
from mns.subscription import SubscriptionMeta
from mns.topic import TopicMessage, TopicMeta
from standardwebhooks import Webhook

from clipstitch_cli.connection import complete_environment
from localyun.clock import HostClock
from localyun.http import HttpResponse, asgi_app
from localyun.server import LocalCloud
from localyun.smq.http.push import CERTIFICATE_PATH, Certificate, string_to_sign
from tests.children import Child, until
from tests.flow.conftest import System
from tests.flow.test_webhooks import SINKS, project
from tests.localyun.mns_world import served
from tests.receiver import OTHER_SECRET, SECRET
from tests.sounds import tone

VISIBLE_AGAIN_S = 2
EXAMPLES = Path(__file__).parents[2] / "examples" / "consume"


class Place(NamedTuple):
    """A running local cloud, what `clipstitch up` would print for it, and a receiver that its webhook posts to."""

    cloud: LocalCloud
    up: Mapping[str, str]
    system: System
    receiver: Child
    address: str

    def queue(self) -> Queue:
        """Return the events queue."""
        return account(self.up).get_queue(self.up["CLIPSTITCH_EVENTS_QUEUE"])

    def empty_queue(self) -> None:
        """Forget what others left in the queue."""
        queue = self.queue()
        while waiting(self) != (0, 0):
            message = queue.receive_message(10)  # an ended consumer's poll may be given it first, and hide it
            queue.delete_message(message.receipt_handle)

    def finished(self, folder: str, notify: list[str]) -> dict[str, Any]:
        """Merge something, and return its event."""
        system = System(self.system.environment, folder)
        clips = system.upload({"a.wav": tone(440, 300)})
        return system.result(system.drop(system.manifest("out.flac", clips, notify=notify)))


def account(env: Mapping[str, str]) -> Account:
    """Return the vendor's client."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run a local cloud whose project has a webhook, and the receiver that it posts to."""
    folder = tmp_path_factory.mktemp("consumers")
    theirs = {"CONSUMER_PORT": "0", "CONSUMER_WEBHOOK_SECRET": SECRET}
    with ExitStack() as exits:
        receiver = exits.enter_context(Child(EXAMPLES / "webhook_receiver.py", theirs, folder))
        address = receiver.logged("listening on ")
        variables = {f"{name.upper()}_URL": f"{address}/hook" for name in SINKS}
        variables |= {f"{name.upper()}_SECRET": f"{OTHER_SECRET} {SECRET}" for name in SINKS}
        root = project(tmp_path_factory.mktemp("project"))
        cloud = LocalCloud(root, variables=variables, time_scale=50)
        up = exits.enter_context(cloud).environment()
        # A poll that is cut off may take a message along; then it is seen again after this time, not the usual 30 s.
        account(up).get_queue(up["CLIPSTITCH_EVENTS_QUEUE"]).set_attributes(QueueMeta(VISIBLE_AGAIN_S))
        yield Place(cloud, up, System(complete_environment({**up, **variables}, root), "consumers"), receiver, address)


def waiting(place: Place) -> tuple[int, int]:
    """Count the messages that can be seen, and those that somebody has received and not deleted."""
    queue = place.cloud.services.messages.queues.get(place.up["CLIPSTITCH_EVENTS_QUEUE"])
    return queue.active, queue.inactive


def acted(event: Mapping[str, Any], *children: Child) -> list[str]:
    """Return the lines about an event."""
    return [line for child in children for line in child.lines if line.startswith(event["id"])]


def sentinel(name: str) -> dict[str, Any]:
    """Make an event that comes after all others, to know that they are through."""
    output = {"uri": "oss://b/k", "duration_ms": 1}
    return {"id": f"{name}.succeeded", "data": {"job": name, "state": "succeeded", "output": output}}


# The queue


def consumer(place: Place, folder: Path) -> Child:
    """Start the queue's consumer."""
    env = {**place.up, "CONSUMER_DATABASE": str(folder / "seen.sqlite")}
    return Child(EXAMPLES / "queue_consumer.py", env, folder)


def test_twins_in_the_queue_are_acted_on_once(place: Place, tmp_path: Path):
    """Whether they come in Base64, as the product and the SDK send them, or as they are, as a topic would."""
    event = place.finished("queue", ["queue"])
    text = json.dumps(event)
    bare = place.queue()
    bare.set_encoding(False)
    for queue in (place.queue(), bare, place.queue(), bare):
        queue.send_message(Message(text))
    with consumer(place, tmp_path) as child:
        until(lambda: waiting(place) == (0, 0), what=lambda: child.log)
        code = child.end()

    assert [f"{event['id']} {event['subject']} is there, 0.3 s"] == acted(event, child)
    assert 0 == code


def test_a_consumer_that_was_killed_remembers_what_it_did(place: Place, tmp_path: Path):
    """The mark is on disk before the message is deleted."""
    event = place.finished("killed", ["queue"])
    with consumer(place, tmp_path) as first:
        until(lambda: acted(event, first), what=lambda: first.log)
        until(lambda: waiting(place) == (0, 0))
        first.end(signal.SIGKILL)
    place.queue().send_message(Message(json.dumps(event)))
    with consumer(place, tmp_path) as second:
        until(lambda: waiting(place) == (0, 0), what=lambda: second.log)

    assert 1 == len(acted(event, first, second))


def test_consumers_side_by_side_act_once(place: Place, tmp_path: Path):
    """They share the database; every event comes three times."""
    events = [sentinel(f"side-{number}") for number in range(15)]
    with consumer(place, tmp_path) as one, consumer(place, tmp_path) as other:
        for child in (one, other):
            child.logged("consuming ")
        for text in (json.dumps(event) for event in events * 3):
            place.queue().send_message(Message(text))
        until(lambda: waiting(place) == (0, 0), what=lambda: one.log + other.log)

    assert [1] * 15 == [len(acted(event, one, other)) for event in events]


def test_what_is_no_event_stops_nobody(place: Place, tmp_path: Path):
    """It stays in the queue, and the next one is acted on; then the signal ends the long poll at once."""
    with consumer(place, tmp_path) as child:
        place.queue().send_message(Message("no event"))
        child.logged("not done; the message stays in the queue")
        place.queue().send_message(Message(json.dumps(sentinel("after"))))
        until(lambda: acted(sentinel("after"), child), what=lambda: child.log)
        code = child.end()
    left = sum(waiting(place))
    place.empty_queue()

    assert (0, 1, 1) == (code, left, len(child.lines))


# The topic


@pytest.fixture(scope="module")
def endpoint(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Child, str]]:
    """Run the push endpoint, subscribed as the page says."""
    folder = tmp_path_factory.mktemp("push")
    env = {**place.up, "CONSUMER_PORT": "0", "CONSUMER_CERTIFICATES": f"{place.up['MNS_ENDPOINT']}/"}
    with Child(EXAMPLES / "push_endpoint.py", env, folder) as child:
        url = f"{child.logged('listening on ')}/smq?from=topic"
        for _ in range(2):
            with Child(EXAMPLES / "subscribe.py", place.up, folder, [url]) as subscribing:
                assert 0 == subscribing.ended(), subscribing.log
        yield child, url


def publish(place: Place, event: Mapping[str, Any], topic: str = "") -> None:
    """Publish an event to a topic: the usual one unless another is named."""
    account(place.up).get_topic(topic or place.up["CLIPSTITCH_EVENTS_TOPIC"]).publish_message(
        TopicMessage(json.dumps(event))
    )


def test_twins_on_the_topic_are_acted_on_once(place: Place, endpoint: tuple[Child, str]):
    """The first comes from a job, the others are published again."""
    child, _ = endpoint
    event = place.finished("topic", ["events"])
    for twin in (event, event, event, sentinel("topic-end")):
        publish(place, twin)
    until(lambda: acted(sentinel("topic-end"), child), what=lambda: child.log)
    until(lambda: place.cloud.services.messages.topics.get(place.up["CLIPSTITCH_EVENTS_TOPIC"]).message_count == 0)

    assert [f"{event['id']} {event['subject']} is there, 0.3 s"] == acted(event, child)


def forged(url: str, event: Mapping[str, Any], place: Place, cert_url: str, certificate: Certificate) -> httpx.Response:
    """Push an event as SMQ would, but signed with a certificate of our own."""
    push = {"TopicOwner": place.up["ALIBABA_CLOUD_ACCOUNT_ID"], "TopicName": place.up["CLIPSTITCH_EVENTS_TOPIC"]}
    body = json.dumps({**push, "Message": json.dumps(event)}).encode()
    headers = {
        "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "content-type": "application/json",
        "date": format_datetime(HostClock().now(), usegmt=True),
        "x-mns-signing-cert-url": base64.b64encode(cert_url.encode()).decode(),
    }
    signature = certificate.sign(string_to_sign("POST", headers, urlsplit(url).path))
    return httpx.post(url, content=body, headers={**headers, "authorization": signature})


def test_a_signature_of_somebody_else_is_refused(place: Place, endpoint: tuple[Child, str]):
    """It is right, but the certificate lies elsewhere; so is a push without any."""
    child, url = endpoint
    bare, event = url.partition("?")[0], sentinel("forged")
    strangers = Certificate(HostClock())
    with served(asgi_app(lambda _: HttpResponse(200, strangers.pem()))) as stranger:
        answers = [
            forged(bare, event, place, f"{stranger}{CERTIFICATE_PATH}", strangers),
            forged(bare, event, place, f"{place.up['MNS_ENDPOINT']}{CERTIFICATE_PATH}", strangers),
            httpx.post(url, json={"Message": json.dumps(event)}),
        ]

    assert [403] * 3 == [answer.status_code for answer in answers]
    assert f"refused: the certificate is at {stranger}" in child.log
    assert [] == acted(event, child)


def test_a_topic_of_somebody_else_is_refused(place: Place, endpoint: tuple[Child, str]):
    """SMQ signs what it pushes for every one of its customers."""
    child, url = endpoint
    topic = account(place.up).get_topic("theirs")
    topic.create(TopicMeta())
    topic.get_subscription("s").subscribe(SubscriptionMeta(url, "BACKOFF_RETRY", "JSON"))
    publish(place, sentinel("theirs"), "theirs")
    child.logged("refused: topic 'theirs' of ")

    assert [] == acted(sentinel("theirs"), child)


# The webhook


def test_twins_at_the_webhook_are_acted_on_once(place: Place):
    """The first comes from a job, the others at the same time, each with a signature of its own."""
    event = place.finished("webhook", ["partner"])
    until(lambda: acted(event, place.receiver), what=lambda: place.receiver.log)
    other = sentinel("webhook-twins")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: posted(place, one, SECRET), [event, other] * 6))

    assert [204] * 12 == answers
    assert [f"{event['id']} {event['subject']} is there, 0.3 s"] == acted(event, place.receiver)
    assert 1 == len(acted(other, place.receiver))


def posted(place: Place, event: Mapping[str, Any], secret: str) -> int:
    """Post an event as the product does, and return the answer's status."""
    body, now = json.dumps(event), HostClock().now()
    headers = {
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(event["id"], now, body),
    }
    return httpx.post(f"{place.address}/hook", content=body, headers=headers).status_code


def test_a_webhook_that_others_signed_is_refused(place: Place):
    """With the wrong secret, or not at all."""
    event = sentinel("not-ours")

    assert 403 == posted(place, event, OTHER_SECRET)
    assert 403 == httpx.post(place.address, json=event).status_code
    assert [] == acted(event, place.receiver)


def test_work_that_fails_is_asked_for_again(place: Place, tmp_path: Path):
    """Nothing is marked; the sender gets no 2xx. The signal ends the receiver."""
    env = {"CONSUMER_PORT": "0", "CONSUMER_WEBHOOK_SECRET": SECRET}
    unreadable = {"id": "x.unknown", "data": {"state": "failed"}}
    with Child(EXAMPLES / "webhook_receiver.py", env, tmp_path) as child:
        there = place._replace(address=child.logged("listening on "))
        statuses = [posted(there, unreadable, SECRET) for _ in range(2)]
        large = httpx.post(there.address, content=b"x" * 300_000).status_code
        code = child.end()

    assert ([500, 500], 400, 0) == (statuses, large, code)
    assert "not done; it will come again" in child.log


@pytest.mark.parametrize(
    ("script", "arguments", "env", "word"),
    [
        ("queue_consumer.py", (), {}, "OSS_ACCESS_KEY_ID is not set"),
        ("push_endpoint.py", (), {}, "ALIBABA_CLOUD_ACCOUNT_ID is not set"),
        ("webhook_receiver.py", (), {}, "CONSUMER_WEBHOOK_SECRET is not set"),
        ("webhook_receiver.py", (), {"CONSUMER_WEBHOOK_SECRET": "x"}, "it is whsec_ and Base64"),
        ("webhook_receiver.py", (), {"CONSUMER_WEBHOOK_SECRET": SECRET, "CONSUMER_PORT": "many"}, "CONSUMER_PORT many"),
        ("subscribe.py", (), {}, "python subscribe.py https://"),
        ("subscribe.py", ("https://you.example/smq",), {}, "OSS_ACCESS_KEY_ID is not set"),
    ],
)
def test_what_is_set_wrongly_is_said_in_words(
    tmp_path: Path, script: str, arguments: tuple[str, ...], env: Mapping[str, str], word: str
):
    """Whoever copies the folder learns what is missing, without reading a traceback."""
    child = Child(EXAMPLES / script, env, tmp_path, arguments)

    assert 1 == child.ended()
    assert word in child.log
    assert "Traceback" not in child.log


def test_an_address_that_smq_refuses_is_said_in_words(place: Place, tmp_path: Path):
    """With the reason that SMQ gives."""
    child = Child(EXAMPLES / "subscribe.py", place.up, tmp_path, ("you.example",))

    assert 1 == child.ended()
    assert "not subscribed: " in child.log
    assert "Traceback" not in child.log
