"""The programs of examples/consume, unchanged, in child processes against a running local cloud.

Events come from real jobs, and each is delivered several times.
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
from localyun.clock import SystemClock
from localyun.http import Reply, face
from localyun.server import LocalCloud
from localyun.smq.http.push import CERTIFICATE_PATH, Certificate, signed_text
from tests.child_process import Child, wait_until
from tests.flow.conftest import System
from tests.flow.test_webhooks import SINKS, create_project
from tests.localyun.mns_world import served
from tests.receiver import OTHER_SECRET, SECRET
from tests.sounds import tone

VISIBILITY_TIMEOUT_S = 2
EXAMPLES = Path(__file__).parents[2] / "examples" / "consume"


class Deployment(NamedTuple):
    """A running local cloud, the variables of `clipstitch up`, and a webhook receiver with its URL."""

    cloud: LocalCloud
    variables: Mapping[str, str]
    system: System
    receiver: Child
    url: str

    @property
    def events_topic(self) -> str:
        """Return the name of the events topic."""
        return self.variables["CLIPSTITCH_EVENTS_TOPIC"]

    def queue(self) -> Queue:
        """Return the events queue."""
        return account(self.variables).get_queue(self.variables["CLIPSTITCH_EVENTS_QUEUE"])

    def empty_queue(self) -> None:
        """Delete all messages of the events queue."""
        queue = self.queue()
        while message_counts(self) != (0, 0):
            # The open poll of a stopped consumer may receive a message first and hide it until the timeout.
            message = queue.receive_message(10)
            queue.delete_message(message.receipt_handle)

    def run_job(self, folder: str, notify: list[str]) -> dict[str, Any]:
        """Merge a clip, and return the event of the job."""
        system = System(self.system.environment, folder)
        clips = system.upload({"a.wav": tone(440, 300)})
        return system.result(system.drop(system.manifest("out.flac", clips, notify=notify)))


def account(env: Mapping[str, str]) -> Account:
    """Return the vendor's SMQ client."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Run a local cloud of a project with a webhook, and the receiver to which it posts."""
    folder = tmp_path_factory.mktemp("consumers")
    receiver_env = {"CONSUMER_PORT": "0", "CONSUMER_WEBHOOK_SECRET": SECRET}
    with ExitStack() as stack:
        receiver = stack.enter_context(Child(EXAMPLES / "webhook_receiver.py", receiver_env, folder))
        url = receiver.wait_for_log("listening on ")
        webhooks = {f"{name.upper()}_URL": f"{url}/hook" for name in SINKS}
        webhooks |= {f"{name.upper()}_SECRET": f"{OTHER_SECRET} {SECRET}" for name in SINKS}
        root = create_project(tmp_path_factory.mktemp("project"))
        cloud = LocalCloud(root, variables=webhooks, hurry=50)
        variables = stack.enter_context(cloud).environment()
        # An interrupted poll may have received a message; it becomes visible after this time instead of 30 s.
        queue = account(variables).get_queue(variables["CLIPSTITCH_EVENTS_QUEUE"])
        queue.set_attributes(QueueMeta(VISIBILITY_TIMEOUT_S))
        system = System(complete_environment({**variables, **webhooks}, root), "consumers")
        yield Deployment(cloud, variables, system, receiver, url)


def message_counts(deployment: Deployment) -> tuple[int, int]:
    """Return the numbers of visible messages and of received messages that are not deleted."""
    queue = deployment.cloud.services.messages.queues.get(deployment.variables["CLIPSTITCH_EVENTS_QUEUE"])
    return queue.active, queue.inactive


def acted_on(event: Mapping[str, Any], *children: Child) -> list[str]:
    """Return the output lines for an event."""
    return [line for child in children for line in child.output_lines if line.startswith(event["id"])]


def made_up_event(name: str) -> dict[str, Any]:
    """Return an event that belongs to no job."""
    output = {"uri": "oss://b/k", "duration_ms": 1}
    return {"id": f"{name}.succeeded", "data": {"job": name, "state": "succeeded", "output": output}}


# The queue


def consumer(deployment: Deployment, folder: Path) -> Child:
    """Start the queue consumer with a database in a folder."""
    env = {**deployment.variables, "CONSUMER_DATABASE": str(folder / "seen.sqlite")}
    return Child(EXAMPLES / "queue_consumer.py", env, folder)


def test_duplicates_in_the_queue_are_acted_on_once(deployment: Deployment, tmp_path: Path) -> None:
    """Messages in Base64, as the product sends them, and in plain JSON, as a topic sends them, are both decoded."""
    event = deployment.run_job("queue", ["queue"])
    text = json.dumps(event)
    plain = deployment.queue()
    plain.set_encoding(False)
    for queue in (deployment.queue(), plain, deployment.queue(), plain):
        queue.send_message(Message(text))
    with consumer(deployment, tmp_path) as child:
        wait_until(lambda: message_counts(deployment) == (0, 0), describe=lambda: child.log)
        code = child.stop()

    assert [f"{event['id']} {event['subject']} is available, 0.3 s"] == acted_on(event, child)
    assert 0 == code


def test_a_consumer_restarted_after_a_kill_does_not_act_again(deployment: Deployment, tmp_path: Path) -> None:
    """The event id is on disk before the message is deleted."""
    event = deployment.run_job("killed", ["queue"])
    with consumer(deployment, tmp_path) as first:
        wait_until(lambda: acted_on(event, first), describe=lambda: first.log)
        wait_until(lambda: message_counts(deployment) == (0, 0))
        first.stop(signal.SIGKILL)
    deployment.queue().send_message(Message(json.dumps(event)))
    with consumer(deployment, tmp_path) as second:
        wait_until(lambda: message_counts(deployment) == (0, 0), describe=lambda: second.log)

    assert 1 == len(acted_on(event, first, second))


def test_two_consumers_with_one_database_act_once_per_event(deployment: Deployment, tmp_path: Path) -> None:
    """Every event is sent three times."""
    events = [made_up_event(f"side-{number}") for number in range(15)]
    with consumer(deployment, tmp_path) as one, consumer(deployment, tmp_path) as other:
        for child in (one, other):
            child.wait_for_log("consuming ")
        for text in (json.dumps(event) for event in events * 3):
            deployment.queue().send_message(Message(text))
        wait_until(lambda: message_counts(deployment) == (0, 0), describe=lambda: one.log + other.log)

    assert [1] * 15 == [len(acted_on(event, one, other)) for event in events]


def test_an_invalid_message_stays_in_the_queue_and_does_not_stop_the_consumer(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The consumer acts on the next event; a signal then ends the long poll at once."""
    with consumer(deployment, tmp_path) as child:
        deployment.queue().send_message(Message("not an event"))
        child.wait_for_log("failed; the message stays in the queue")
        deployment.queue().send_message(Message(json.dumps(made_up_event("after"))))
        wait_until(lambda: acted_on(made_up_event("after"), child), describe=lambda: child.log)
        code = child.stop()
    remaining = sum(message_counts(deployment))
    deployment.empty_queue()

    assert (0, 1, 1) == (code, remaining, len(child.output_lines))


# The topic


@pytest.fixture(scope="module")
def endpoint(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Child, str]]:
    """Run the push endpoint, and subscribe it twice."""
    folder = tmp_path_factory.mktemp("push")
    env = {
        **deployment.variables,
        "CONSUMER_PORT": "0",
        "CONSUMER_CERTIFICATES": f"{deployment.variables['MNS_ENDPOINT']}/",
    }
    with Child(EXAMPLES / "push_endpoint.py", env, folder) as child:
        url = f"{child.wait_for_log('listening on ')}/smq?from=topic"
        for _ in range(2):
            with Child(EXAMPLES / "subscribe.py", deployment.variables, folder, [url]) as subscribe:
                assert 0 == subscribe.wait(), subscribe.log
        yield child, url


def publish(deployment: Deployment, event: Mapping[str, Any], topic: str = "") -> None:
    """Publish an event to a topic; the default is the events topic."""
    account(deployment.variables).get_topic(topic or deployment.events_topic).publish_message(
        TopicMessage(json.dumps(event))
    )


def test_duplicates_on_the_topic_are_acted_on_once(deployment: Deployment, endpoint: tuple[Child, str]) -> None:
    """The job publishes the event first, and then it is published three more times."""
    child, _ = endpoint
    event = deployment.run_job("topic", ["events"])
    for published in (event, event, event, made_up_event("topic-end")):
        publish(deployment, published)
    wait_until(lambda: acted_on(made_up_event("topic-end"), child), describe=lambda: child.log)
    topics = deployment.cloud.services.messages.topics
    wait_until(lambda: topics.get(deployment.events_topic).message_count == 0)

    assert [f"{event['id']} {event['subject']} is available, 0.3 s"] == acted_on(event, child)


def push_forged(
    url: str, event: Mapping[str, Any], deployment: Deployment, cert_url: str, certificate: Certificate
) -> httpx.Response:
    """Push an event in the form of SMQ, signed with the given certificate."""
    push = {"TopicOwner": deployment.variables["ALIBABA_CLOUD_ACCOUNT_ID"], "TopicName": deployment.events_topic}
    body = json.dumps({**push, "Message": json.dumps(event)}).encode()
    headers = {
        "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "content-type": "application/json",
        "date": format_datetime(SystemClock().now(), usegmt=True),
        "x-mns-signing-cert-url": base64.b64encode(cert_url.encode()).decode(),
    }
    signature = certificate.sign(signed_text("POST", headers, urlsplit(url).path))
    return httpx.post(url, content=body, headers={**headers, "authorization": signature})


def test_a_push_with_a_foreign_signature_is_rejected(deployment: Deployment, endpoint: tuple[Child, str]) -> None:
    """A valid signature from another host, a wrong one and a missing one all get 403."""
    child, url = endpoint
    endpoint_url, event = url.partition("?")[0], made_up_event("forged")
    foreign = Certificate(SystemClock())
    with served(face(lambda _: Reply(200, foreign.pem()))) as foreign_host:
        responses = [
            push_forged(endpoint_url, event, deployment, f"{foreign_host}{CERTIFICATE_PATH}", foreign),
            push_forged(
                endpoint_url, event, deployment, f"{deployment.variables['MNS_ENDPOINT']}{CERTIFICATE_PATH}", foreign
            ),
            httpx.post(url, json={"Message": json.dumps(event)}),
        ]

    assert [403] * 3 == [response.status_code for response in responses]
    assert f"rejected: the certificate URL is not trusted: {foreign_host}" in child.log
    assert [] == acted_on(event, child)


def test_a_push_from_another_topic_is_rejected(deployment: Deployment, endpoint: tuple[Child, str]) -> None:
    """SMQ signs the pushes of all its customers, so a valid signature is not enough."""
    child, url = endpoint
    topic = account(deployment.variables).get_topic("foreign")
    topic.create(TopicMeta())
    topic.get_subscription("s").subscribe(SubscriptionMeta(url, "BACKOFF_RETRY", "JSON"))
    publish(deployment, made_up_event("foreign"), "foreign")
    child.wait_for_log("rejected: unexpected topic 'foreign' of ")

    assert [] == acted_on(made_up_event("foreign"), child)


# The webhook


def test_duplicates_at_the_webhook_are_acted_on_once(deployment: Deployment) -> None:
    """The job posts the event first, and then two events are posted six times concurrently."""
    event = deployment.run_job("webhook", ["partner"])
    wait_until(lambda: acted_on(event, deployment.receiver), describe=lambda: deployment.receiver.log)
    other = made_up_event("webhook-duplicates")
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda each: post(deployment, each, SECRET), [event, other] * 6))

    assert [204] * 12 == statuses
    assert [f"{event['id']} {event['subject']} is available, 0.3 s"] == acted_on(event, deployment.receiver)
    assert 1 == len(acted_on(other, deployment.receiver))


def post(deployment: Deployment, event: Mapping[str, Any], secret: str) -> int:
    """Post an event in the form of the product, and return the response status."""
    body, now = json.dumps(event), SystemClock().now()
    headers = {
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(event["id"], now, body),
    }
    return httpx.post(f"{deployment.url}/hook", content=body, headers=headers).status_code


def test_a_webhook_with_a_wrong_or_missing_signature_is_rejected(deployment: Deployment) -> None:
    """Both requests get 403."""
    event = made_up_event("unsigned")

    assert 403 == post(deployment, event, OTHER_SECRET)
    assert 403 == httpx.post(deployment.url, json=event).status_code
    assert [] == acted_on(event, deployment.receiver)


def test_an_event_whose_processing_fails_is_not_marked_as_done(deployment: Deployment, tmp_path: Path) -> None:
    """Every delivery gets 500, a body above the limit gets 400, and a signal ends the receiver."""
    env = {"CONSUMER_PORT": "0", "CONSUMER_WEBHOOK_SECRET": SECRET}
    incomplete = {"id": "x.unknown", "data": {"state": "failed"}}
    with Child(EXAMPLES / "webhook_receiver.py", env, tmp_path) as child:
        other = deployment._replace(url=child.wait_for_log("listening on "))
        statuses = [post(other, incomplete, SECRET) for _ in range(2)]
        large = httpx.post(other.url, content=b"x" * 300_000).status_code
        code = child.stop()

    assert ([500, 500], 400, 0) == (statuses, large, code)
    assert "failed; the sender will retry" in child.log


@pytest.mark.parametrize(
    ("script", "arguments", "env", "message"),
    [
        ("queue_consumer.py", (), {}, "OSS_ACCESS_KEY_ID is not set"),
        ("push_endpoint.py", (), {}, "ALIBABA_CLOUD_ACCOUNT_ID is not set"),
        ("webhook_receiver.py", (), {}, "CONSUMER_WEBHOOK_SECRET is not set"),
        ("webhook_receiver.py", (), {"CONSUMER_WEBHOOK_SECRET": "x"}, "must be whsec_ followed by Base64"),
        ("webhook_receiver.py", (), {"CONSUMER_WEBHOOK_SECRET": SECRET, "CONSUMER_PORT": "many"}, "CONSUMER_PORT many"),
        ("subscribe.py", (), {}, "python subscribe.py https://"),
        ("subscribe.py", ("https://you.example/smq",), {}, "OSS_ACCESS_KEY_ID is not set"),
    ],
)
def test_a_missing_or_invalid_setting_ends_the_program_with_a_message(
    tmp_path: Path, script: str, arguments: tuple[str, ...], env: Mapping[str, str], message: str
) -> None:
    """The message names the setting; there is no traceback."""
    child = Child(EXAMPLES / script, env, tmp_path, arguments)

    assert 1 == child.wait()
    assert message in child.log
    assert "Traceback" not in child.log


def test_an_endpoint_that_smq_rejects_ends_the_program_with_a_message(deployment: Deployment, tmp_path: Path) -> None:
    """The message contains the reason from SMQ."""
    child = Child(EXAMPLES / "subscribe.py", deployment.variables, tmp_path, ("you.example",))

    assert 1 == child.wait()
    assert "not subscribed: " in child.log
    assert "Traceback" not in child.log
