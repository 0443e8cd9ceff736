"""An OSS endpoint on a free port, the vendor's two clients, and a clock that tests can advance."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.oss.http.routes import OssEndpoint
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.oss.values import AcceptedTask
from localyun.ram.credentials import Credential, Keyring

KEY = Credential("LTAI-test", "secret-test")
ROLE = Credential("STS.role", "secret-role", "token-of-the-role", "role/worker")
REGION = "cn-hangzhou"
BUCKET = "acme"


class TurnedClock(HostClock):
    """The host's clock plus an offset."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the current time plus the offset."""
        return super().now() + self.ahead

    def turn(self, seconds: float) -> None:
        """Add seconds to the offset."""
        self.ahead += timedelta(seconds=seconds)


SUBMITTED = AcceptedTask("181-1k", "1D99637F-F59E-5B41-9200-C4892F520000", "MediaConvert-e4a737df")


@dataclass
class RecordingTasks:
    """A task service that records submissions."""

    submitted: list[tuple[str, str, str]] = field(default_factory=list)

    def submit_process(
        self, bucket: str, key: str, process: str, check_target: Callable[[str, str], None]
    ) -> AcceptedTask:
        """Record a submission, whose target is the object itself. Raises ServiceError unless it is audio."""
        if not process.startswith("audio/"):
            text = "ResourceNotFound, The specified resource Route is not found. 9D31D05E-FC1C-582E-B31E-3E1327F90000"
            raise ServiceError(400, "Imm Client", text, ec="0056-00000001")
        check_target(bucket, key)
        self.submitted.append((bucket, key, process))
        return SUBMITTED

    def attachment(self, bucket: str) -> str:
        """Return the same project for every bucket."""
        return "project"

    def info(self, bucket: str, key: str) -> Mapping[str, object]:
        """Return one second of audio for every object."""
        return {"Duration": 1.0, "bucket": bucket, "key": key}


@dataclass
class World:
    """An object service, its endpoint on a free port, and the received requests and events."""

    objects: ObjectService
    tasks: RecordingTasks
    clock: TurnedClock
    url: str
    requests: list[HttpRequest]
    events: list[ObjectEvent] = field(default_factory=list)

    def bucket(self, name: str = BUCKET, key: Credential = KEY, *, version: str = "v4") -> oss2.Bucket:
        """Return a bucket client of the vendor's first SDK, which signs with a version: v1, v2 or v4."""
        args = (key.access_key_id, key.access_key_secret)
        if key.security_token:
            auth = oss2.StsAuth(*args, key.security_token, auth_version=version)
        else:
            auth = oss2.make_auth(*args, version)
        return oss2.Bucket(auth, self.url, name, region=REGION)

    def client(self, key: Credential = KEY, **options: Any) -> oss.Client:
        """Return a client of the vendor's second SDK."""
        config = oss.config.load_default()
        config.region, config.endpoint, config.retry_max_attempts = REGION, self.url, 1
        given = (key.access_key_id, key.access_key_secret, key.security_token or None)
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(*given)
        for name, value in options.items():
            setattr(config, name, value)
        return oss.Client(config)

    def names(self) -> list[str]:
        """Return the names of all events."""
        return [event.name for event in self.events]


@contextmanager
def world(root: Path, *, allow: Callable[..., bool] = lambda *_, **__: True) -> Iterator[World]:
    """Serve an object service with one bucket."""
    clock, tasks = TurnedClock(), RecordingTasks()
    objects = ObjectService(root, clock)
    objects.create_bucket(BUCKET)
    endpoint = OssEndpoint(Keyring(KEY, ROLE), clock, objects, tasks, REGION, allow=allow)
    requests: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return endpoint.answer(request)

    with _served(answer, endpoint.leaves_body) as url:
        here = World(objects, tasks, clock, url, requests)
        objects.listen(here.events.append)
        yield here
    objects.close()


@contextmanager
def _served(answer: Callable[[HttpRequest], HttpResponse], leaves_body: Callable[[HttpRequest], bool]) -> Iterator[str]:
    options: dict[str, Any] = {"log_level": "error", "lifespan": "off", "server_header": False, "date_header": False}
    # asyncio disables Nagle's algorithm only if the protocol is given; otherwise, streaming takes 40 ms longer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(asgi_app(answer, leaves_body), **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
