"""The number of requests of a one-step job, with a list of the requests of submit and of complete.

Both use cases run in this process against a local cloud; an adapter in the SDK's HTTP session records the requests.
Run: .venv/bin/python -m bench.requests_per_job
"""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from mns.account import Account
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from clipstitch.adapters.oss import OssObjectStore
from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import MessageSender, ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from localyun.server import LocalCloud
from tests.sounds import tone

ROOT = Path(__file__).resolve().parent.parent
CLIPS = 2
TOPIC = "clipstitch-completions"


_KEY = re.compile("<Key>([^<]*)</Key>")


def _prefix(query: str) -> str:
    return parse_qs(query).get("prefix", [""])[0]


class RecordingAdapter(HTTPAdapter):
    """Records every request of oss2."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Record method, path, query and the headers that distinguish requests, then send the request."""
        parts = urlsplit(str(request.url))
        query = parts.query.split("&")[0] if "list-type" not in parts.query else "list-type=2 " + _prefix(parts.query)
        if query == "delete=":
            query += " ".join(["", *_KEY.findall(str(request.body))])
        headers = [name for name in ("x-oss-forbid-overwrite", "x-oss-copy-source") if name in request.headers]
        self.requests.append(" ".join((str(request.method), unquote(parts.path), query, *headers)).strip())
        return super().send(request, *args, **kwargs)


class RecordingMessageSender:
    """Records every message, then sends it."""

    def __init__(self, messages: MessageSender, requests: list[str]) -> None:
        self._messages = messages
        self._requests = requests

    def publish(self, topic: str, text: str) -> None:
        """Record and publish a message."""
        self._requests.append(f"POST /topics/{topic}/messages")
        self._messages.publish(topic, text)

    def send(self, queue: str, text: str) -> None:
        """Record and send a message."""
        self._requests.append(f"POST /queues/{queue}/messages")
        self._messages.send(queue, text)


def recording_context(env: dict[str, str]) -> tuple[Context, list[str]]:
    """Return a new context, and the list to which it appends its requests."""
    cloud = build_context(env)
    adapter = RecordingAdapter()
    assert isinstance(cloud.objects, OssObjectStore)
    cloud.objects._bucket._session.session.mount("http://", adapter)
    return cloud._replace(messages=RecordingMessageSender(cloud.messages, adapter.requests)), adapter.requests


def show(title: str, requests: list[str], job_id: str) -> None:
    """Print the requests of one use case."""
    print(f"{title}: {len(requests)} requests")
    for number, line in enumerate(requests, start=1):
        print(f"  {number:2} {line.replace(job_id, 'JOB')}")


class JobRequests(NamedTuple):
    """The requests of submit and of complete for one job, and its final state."""

    job_id: str
    submit: list[str]
    complete: list[str]
    state: str


def measure() -> JobRequests:
    """Run submit and complete for one job on a local cloud."""
    with LocalCloud(ROOT) as endpoints:
        env = {**os.environ, **endpoints.environment()}
        env |= {
            "CLIPSTITCH_COMPLETION_TOPIC": TOPIC,
            "CLIPSTITCH_MANIFEST_PREFIX": "bench/",
            "CLIPSTITCH_SINKS": "events=topic:clipstitch-events queue=queue:clipstitch-events",
        }
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        account.get_subscription(TOPIC, "clipstitch-complete-task-ended").unsubscribe()  # complete runs in this process
        queue = account.get_queue("bench")
        queue.create(QueueMeta())
        queue.set_encoding(False)
        endpoint = f"acs:mns:{env['OSS_REGION']}:{env['ALIBABA_CLOUD_ACCOUNT_ID']}:queues/bench"
        account.get_subscription(TOPIC, "bench").subscribe(
            SubscriptionMeta(endpoint, notify_content_format="SIMPLIFIED")
        )
        setup = build_context(env)
        bucket = env["CLIPSTITCH_BUCKET"]
        keys = [f"clips/{number}.wav" for number in range(CLIPS)]
        for key in keys:
            setup.objects.write(ObjectRef(bucket, key), tone(440, 1000, 8000), ObjectHeaders())
        manifest = ObjectRef(bucket, "bench/m.json")
        document = {"version": 1, "output": {"key": "merged/bench.mp3"}, "clips": keys}
        setup.objects.write(manifest, json.dumps(document).encode(), ObjectHeaders())
        setup.unversioned.clear()
        cloud, submitting = recording_context(env)
        job = submit(manifest, cloud)
        assert job
        message = queue.receive_message(20)
        cloud, completing = recording_context(env)
        cloud.unversioned.add(bucket)
        notification = parse_notification(message.message_body.encode())
        assert notification
        finished = complete(notification, cloud)
        assert finished
        return JobRequests(job.id, submitting, completing, finished.state)


def main() -> None:
    """Print the requests of one job."""
    job = measure()
    show(f"submit, {CLIPS} clips, first call of an instance", job.submit, job.job_id)
    show("complete", job.complete, job.job_id)
    print(f"final state of the job: {job.state}")


if __name__ == "__main__":
    main()
