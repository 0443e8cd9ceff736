"""The deployed product with an operator who allows little: clips from `clips/`, outputs to `out/`, a webhook or two."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import oss2

from localyun.imm.service import Task
from localyun.server import Endpoints, LocalCloud
from tests.child_process import wait_until
from tests.receiver import SECRET, Receiver, Reply
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
BUCKET = "clipstitch"
LIMITS = {"CLIPSTITCH_OUTPUT_PREFIXES": "out/", "CLIPSTITCH_SOURCE_PREFIXES": "clips/"}
CLIP = tone(440, 200, 8000)


def project(folder: Path) -> Path:
    """Make a project that differs from ours in what its operator wrote into s.yaml."""
    queue = "queue=queue:${resources.infra.output.EventsQueueName}\n"
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert 1 == text.count(queue)
    more = {"CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "'true'", **LIMITS}
    more |= {f"CLIPSTITCH_WEBHOOK_{name}": f"${{env('{name}')}}" for name in ("HOOK_URL", "HOOK_SECRET")}
    variables = "".join(f"      {name}: {value}\n" for name, value in more.items())
    (folder / "s.yaml").write_text(text.replace(queue, queue + "        hook=webhook:HOOK\n" + variables), "utf-8")
    for name in ("template.yml", "functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    return folder


class Product(NamedTuple):
    """A running system, its data directory, and the receiver of its webhook."""

    cloud: LocalCloud
    endpoints: Endpoints
    data: Path
    receiver: Receiver

    @property
    def bucket(self) -> oss2.Bucket:
        """Return the bucket as the vendor's client shows it to its owner."""
        key = self.endpoints.credential
        return oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), self.endpoints.oss, BUCKET)

    def put(self, key: str, body: bytes) -> None:
        """Upload an object under a name that no client would put into a URL."""
        self.cloud.services.objects.put(BUCKET, key, body)

    def drop(self, document: Mapping[str, Any] | bytes, key: str) -> str:
        """Upload a manifest."""
        self.put(key, document if isinstance(document, bytes) else json.dumps(document).encode())
        return key

    def listed(self, prefix: str = "") -> list[str]:
        """List the bucket."""
        page = self.cloud.services.objects.page(BUCKET, prefix=prefix, limit=100_000)
        return [found.key for found in page.objects]

    def result(self, key: str) -> dict[str, Any]:
        """Wait for what a manifest came to."""
        wanted = f"results/{key}.json"
        wait_until(lambda: wanted in self.listed("results/"), describe=lambda: wanted)
        body = self.cloud.services.objects.head(BUCKET, wanted).file.read_bytes()
        return json.loads(body)["data"]  # type: ignore[no-any-return]

    def tasks(self, job: str) -> list[Task]:
        """Return the tasks that a job started."""
        return [task for task in self.cloud.services.tasks.list() if f"/work/{job}/" in task.work.key]

    def logs(self) -> str:
        """Return what all functions have logged."""
        functions = self.cloud.services.functions
        return "".join(functions.logs(config.name) for config in functions.list())


@contextmanager
def running(folder: Path, *replies: Reply, hurry: float = 20, secret: str = SECRET) -> Iterator[Product]:
    """Run the product for a while."""
    (folder / "project").mkdir()
    with Receiver(*replies, secret=secret) as receiver:
        variables = {"HOOK_URL": receiver.url, "HOOK_SECRET": secret}
        made = project(folder / "project")
        cloud = LocalCloud(made, data=folder / "data", variables=variables, hurry=hurry)
        with cloud as endpoints:
            cloud.services.objects.put(BUCKET, "clips/a.wav", CLIP)
            cloud.services.objects.put(BUCKET, "private/a.wav", CLIP)
            yield Product(cloud, endpoints, folder / "data", receiver)
