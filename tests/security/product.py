"""The deployed product with restrictive settings: clips under `clips/`, outputs under `out/`, and one webhook."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import oss2

from localyun.imm.values import MediaTask
from localyun.server import Endpoints, LocalCloud
from tests.child_process import wait_until
from tests.receiver import SECRET, Receiver, Reply
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
BUCKET = "clipstitch"
CLIP = tone(440, 200, 8000)


def project(folder: Path) -> Path:
    """Write the project into a folder, with restrictive settings in s.yaml, and return the folder."""
    queue = "queue=queue:${resources.infra.output.EventsQueueName}\n"
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert 1 == text.count(queue)
    settings = {"CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "'true'", "CLIPSTITCH_SOURCE_PREFIXES": "clips/"}
    settings |= {f"CLIPSTITCH_WEBHOOK_{name}": f"${{env('{name}')}}" for name in ("HOOK_URL", "HOOK_SECRET")}
    variables = "".join(f"      {name}: {value}\n" for name, value in settings.items())
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
        """Return a client of the bucket, with the key of the account's owner."""
        key = self.endpoints.credential
        return oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), self.endpoints.oss, BUCKET)

    def put(self, key: str, body: bytes) -> None:
        """Store an object without HTTP, so that every key is possible."""
        self.cloud.services.objects.put(BUCKET, key, body)

    def drop(self, document: Mapping[str, Any] | bytes, key: str) -> str:
        """Store a manifest and return its key."""
        self.put(key, document if isinstance(document, bytes) else json.dumps(document).encode())
        return key

    def listed(self, prefix: str = "") -> list[str]:
        """Return the keys under a prefix."""
        page = self.cloud.services.objects.page(BUCKET, prefix=prefix, limit=100_000)
        return [found.key for found in page.objects]

    def result(self, key: str) -> dict[str, Any]:
        """Wait for the result object of a manifest and return its data."""
        expected = f"results/{key}.json"
        wait_until(lambda: expected in self.listed("results/"), describe=lambda: expected)
        body = self.cloud.services.objects.head(BUCKET, expected).file.read_bytes()
        return json.loads(body)["data"]  # type: ignore[no-any-return]

    def tasks(self, job: str) -> list[MediaTask]:
        """Return the tasks of a job."""
        return [task for task in self.cloud.services.tasks.list() if f"/work/{job}/" in task.spec.key]

    def logs(self) -> str:
        """Return the logs of all functions."""
        functions = self.cloud.services.functions
        return "".join(functions.logs(config.name) for config in functions.list())


@contextmanager
def running(folder: Path, *replies: Reply, time_scale: float = 20, secret: str = SECRET) -> Iterator[Product]:
    """Run the product for the duration of the block. The webhook receiver gives the replies in order."""
    (folder / "project").mkdir()
    with Receiver(*replies, secret=secret) as receiver:
        variables = {"HOOK_URL": receiver.url, "HOOK_SECRET": secret, "CLIPSTITCH_OUTPUT_PREFIX": "out/"}
        cloud = LocalCloud(
            project(folder / "project"), data=folder / "data", variables=variables, time_scale=time_scale
        )
        with cloud as endpoints:
            cloud.services.objects.put(BUCKET, "clips/a.wav", CLIP)
            cloud.services.objects.put(BUCKET, "private/a.wav", CLIP)
            yield Product(cloud, endpoints, folder / "data", receiver)
