"""A running local cloud with an adjustable clock, and a snapshot of everything that an attack could change."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from localyun.clock import HostClock
from localyun.ram.credentials import Credential
from localyun.server import Endpoints, LocalCloud
from tests.security.wire import Request, Response, send

PROJECT = Path(__file__).parent / "project"


class AdjustableClock(HostClock):
    """The system clock plus an offset."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the system time plus the offset."""
        return super().now() + self.offset


class Harness(NamedTuple):
    """A running local cloud, its data folder, and the keys of the account's owner and of a role."""

    cloud: LocalCloud
    endpoints: Endpoints
    clock: AdjustableClock
    folder: Path
    owner: Credential
    role: Credential

    def base_url(self, service: str) -> str:
        """Return the base URL of a service: oss, mns, imm or fc."""
        return str(getattr(self.endpoints, service))

    def host(self, service: str) -> str:
        """Return the value of a client's Host header for a service."""
        return urlsplit(self.base_url(service)).netloc

    def send(self, service: str, request: Request) -> Response:
        """Send a request to a service."""
        return send(self.base_url(service), request)

    @contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        """Advance the clock by some seconds for the duration of the block."""
        self.clock.offset += timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.clock.offset -= timedelta(seconds=seconds)

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a request could have changed, and the names of all files beside the data."""
        services = self.cloud.services
        queues, objects = services.messages.queues, services.objects
        return {
            "buckets": [(each, objects.page(each.name, limit=1000).objects) for each in objects.buckets()],
            "queues": [(name, queues.get(name)) for name in queues.names().names],
            "topics": services.messages.topics.names(),
            "projects": services.tasks.projects(),
            "tasks": services.tasks.list(),
            "logs": [services.functions.logs(name) for name in ("mine", "their")],
            "files beside the data": sorted(self.folder.parent.glob("[!0-9]*")) + sorted(self.folder.iterdir()),
        }


@contextmanager
def running_harness(folder: Path) -> Iterator[Harness]:
    """Run the project of the security tests for the duration of the block."""
    clock = AdjustableClock()
    cloud = LocalCloud(PROJECT, data=folder / "data", clock=clock)
    with cloud as endpoints:
        names = ("access_key_id", "access_key_secret", "security_token")
        given = json.loads(cloud.services.functions.invoke("mine", b"").payload)
        role = Credential(**dict(zip(names, given, strict=True)))
        for name in ("mine", "their"):
            cloud.services.objects.put(name, "there", b"what was there")
        yield Harness(cloud, endpoints, clock, folder, endpoints.credential, role)
