"""What the tests of objects share: a clock to turn, an OSS face on a free port, the vendor's two clients."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import oss2
import uvicorn

from localyun.clock import HostClock
from localyun.errors import ServiceError
from localyun.http import HttpRequest, asgi_app
from localyun.oss.http.request import Allow
from localyun.oss.http.routes import OssEndpoint, allow_all
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.ram.credentials import Credential, Keyring

KEY = Credential("LTAI-test", "secret-test")
ROLE = Credential("STS.role", "secret-role", "token-of-the-role", "role/worker")
REGION = "cn-hangzhou"
BUCKET = "acme"


class TurnedClock(HostClock):
    """The machine's clock, turned forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time now plus what it was turned."""
        return super().now() + self.ahead

    def turn(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.ahead += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Ids:
    """What a submission is answered with."""

    event_id: str = "181-1k"
    request_id: str = "1D99637F-F59E-5B41-9200-C4892F520000"
    task_id: str = "MediaConvert-e4a737df"


@dataclass
class NotedTasks:
    """A task service that notes what it is given, and refuses what it does not know."""

    submitted: list[tuple[str, str, str]] = field(default_factory=list)

    def submit_process(self, bucket: str, key: str, process: str) -> Ids:
        """Note a submission; only audio has a route."""
        if not process.startswith("audio/"):
            text = "ResourceNotFound, The specified resource Route is not found. 9D31D05E-FC1C-582E-B31E-3E1327F90000"
            raise ServiceError(400, "Imm Client", text, ec="0056-00000001")
        self.submitted.append((bucket, key, process))
        return Ids()

    def info(self, bucket: str, key: str) -> Mapping[str, object]:
        """Describe every object as the same second of audio."""
        return {"Duration": 1.0, "bucket": bucket, "key": key}


@dataclass
class World:
    """A store, its face on a free port, and what happened."""

    objects: ObjectService
    tasks: NotedTasks
    clock: TurnedClock
    url: str
    calls: list[HttpRequest]
    events: list[ObjectEvent] = field(default_factory=list)

    def bucket(self, name: str = BUCKET, key: Credential = KEY, *, v4: bool = True) -> oss2.Bucket:
        """Return a bucket of the vendor's first client."""
        args = (key.access_key_id, key.access_key_secret)
        if key.security_token:
            auth = oss2.StsAuth(*args, key.security_token, auth_version="v4" if v4 else "v1")
        else:
            auth = (oss2.AuthV4 if v4 else oss2.Auth)(*args)
        return oss2.Bucket(auth, self.url, name, region=REGION)

    def client(self, key: Credential = KEY, **options: Any) -> oss.Client:
        """Return the vendor's second client."""
        config = oss.config.load_default()
        config.region, config.endpoint, config.retry_max_attempts = REGION, self.url, 1
        given = (key.access_key_id, key.access_key_secret, key.security_token or None)
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(*given)
        for name, value in options.items():
            setattr(config, name, value)
        return oss.Client(config)

    def names(self) -> list[str]:
        """Return what happened, by name."""
        return [event.name for event in self.events]


@contextmanager
def world(root: Path, *, allow: Allow = allow_all) -> Iterator[World]:
    """Serve an object store with one bucket while the block runs."""
    clock, tasks = TurnedClock(), NotedTasks()
    objects = ObjectService(root, clock)
    objects.create_bucket(BUCKET)
    oss_face = OssEndpoint(objects, tasks, Keyring(KEY, ROLE), clock, REGION, allow=allow)
    calls: list[HttpRequest] = []

    def answer(call: HttpRequest) -> Any:
        calls.append(call)
        return oss_face.answer(call)

    with _served(answer) as url:
        here = World(objects, tasks, clock, url, calls)
        objects.listen(here.events.append)
        yield here
    objects.close()


@contextmanager
def _served(answer: Any) -> Iterator[str]:
    options = {"log_level": "error", "lifespan": "off", "server_header": False, "date_header": False}
    # With the protocol named, asyncio switches Nagle's algorithm off; without, each streamed reply waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(asgi_app(answer), **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
