"""Requests per one-step job, listed one by one as they go over the wire: submit, then complete.

The use cases run here, in this process, against a real local cloud; the SDK's own HTTP session is listened to.
Run: .venv/bin/python -m bench.requests_per_job
"""

import json
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mns.account import Account
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta
from requests.adapters import HTTPAdapter

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import MessageSender, ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.complete import complete
from clipstitch.usecases.submit import submit
from localyun.server import LocalCloud
from tests.sounds import tone

ROOT = Path(__file__).resolve().parent.parent
CLIPS = 2
TOPIC = "clipstitch-completions"


class Listening(HTTPAdapter):
    """Notes every request of oss2."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = []

    def send(self, request, *args, **kwargs):
        """Note method, name and what makes the request special, then pass it on."""
        parts = urlsplit(request.url)
        query = parts.query.split("&")[0] if "list-type" not in parts.query else "list-type=2"
        marks = [name for name in ("x-oss-forbid-overwrite", "x-oss-copy-source") if name in request.headers]
        self.heard.append(" ".join((request.method, unquote(parts.path), query, *marks)).strip())
        return super().send(request, *args, **kwargs)


class Talking:
    """Notes every message, then passes it on."""

    def __init__(self, messages: MessageSender, heard: list[str]) -> None:
        self._messages = messages
        self._heard = heard

    def publish(self, topic: str, text: str) -> None:
        """Note and publish."""
        self._heard.append(f"POST /topics/{topic}/messages")
        self._messages.publish(topic, text)

    def send(self, queue: str, text: str) -> None:
        """Note and send."""
        self._heard.append(f"POST /queues/{queue}/messages")
        self._messages.send(queue, text)


def listen(env: dict[str, str]):
    """Return a fresh cloud and the list of what it asks for."""
    cloud = build_context(env)
    ear = Listening()
    session = cloud.objects._bucket._session.session
    session.mount("http://", ear)
    return cloud._replace(messages=Talking(cloud.messages, ear.heard)), ear.heard


def show(title: str, heard: list[str], job_id: str) -> None:
    """Print one phase."""
    print(f"{title}: {len(heard)} requests")
    for number, line in enumerate(heard, start=1):
        print(f"  {number:2} {line.replace(job_id, 'JOB')}")


def main() -> None:
    """Run one job by hand and print what it cost."""
    with LocalCloud(ROOT) as endpoints:
        env = {**os.environ, **endpoints.environment()}
        env |= {
            "CLIPSTITCH_COMPLETION_TOPIC": TOPIC,
            "CLIPSTITCH_MANIFEST_PREFIX": "bench/",
            "CLIPSTITCH_SINKS": "events=topic:clipstitch-events queue=queue:clipstitch-events",
        }
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        account.get_subscription(TOPIC, "clipstitch-complete-task-ended").unsubscribe()  # we do its work here
        queue = account.get_queue("bench")
        queue.create(QueueMeta())
        queue.set_encoding(False)
        where = f"acs:mns:{env['OSS_REGION']}:{env['ALIBABA_CLOUD_ACCOUNT_ID']}:queues/bench"
        account.get_subscription(TOPIC, "bench").subscribe(SubscriptionMeta(where, notify_content_format="SIMPLIFIED"))
        setup = build_context(env)
        bucket = env["CLIPSTITCH_BUCKET"]
        keys = [f"clips/{number}.wav" for number in range(CLIPS)]
        for key in keys:
            setup.objects.write(ObjectRef(bucket, key), tone(440, 1000, 8000), ObjectHeaders())
        manifest = ObjectRef(bucket, "bench/m.json")
        document = {"version": 1, "output": {"key": "out/bench.mp3"}, "clips": keys}
        setup.objects.write(manifest, json.dumps(document).encode(), ObjectHeaders())
        setup.trusted.clear()
        cloud, heard = listen(env)
        job = submit(manifest, cloud)
        show(f"submit, {CLIPS} clips, first call of an instance", heard, job.id)
        message = queue.receive_message(20)
        cloud, heard = listen(env)
        cloud.trusted.add(bucket)
        done = complete(parse_notification(message.message_body.encode()), cloud)
        show("complete", heard, job.id)
        print(f"the job ended as {done.state}")


if __name__ == "__main__":
    main()
