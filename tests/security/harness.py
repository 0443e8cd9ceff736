"""The besieged cloud: running, with a clock to turn, with everything that a break-in could change."""

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
from tests.security.wire import Answer, Request, send

PROJECT = Path(__file__).parent / "project"


class TurnedClock(HostClock):
    """The machine's clock, turned by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time now plus what it was turned."""
        return super().now() + self.ahead


class Siege(NamedTuple):
    """A running cloud of the project, the folder that its data lies in, and two keys that it has issued."""

    cloud: LocalCloud
    endpoints: Endpoints
    clock: TurnedClock
    folder: Path
    root: Credential
    role: Credential

    def base(self, place: str) -> str:
        """Return the address of a face: oss, mns, imm or fc."""
        return str(getattr(self.endpoints, place))

    def host(self, place: str) -> str:
        """Return what a client of a face writes into Host."""
        return urlsplit(self.base(place)).netloc

    def send(self, place: str, request: Request) -> Answer:
        """Send a request to a face."""
        return send(self.base(place), request)

    @contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        """Let so much time pass, and take it back afterwards."""
        self.clock.ahead += timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.clock.ahead -= timedelta(seconds=seconds)

    def everything(self) -> dict[str, Any]:
        """Return all that somebody from outside could have changed, and the names of all files beside the data."""
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
def besieged(folder: Path) -> Iterator[Siege]:
    """Run the project."""
    clock = TurnedClock()
    cloud = LocalCloud(PROJECT, data=folder / "data", clock=clock)
    with cloud as endpoints:
        names = ("access_key_id", "access_key_secret", "security_token")
        given = json.loads(cloud.services.functions.invoke("mine", b"").payload)
        role = Credential(**dict(zip(names, given, strict=True)))
        for name in ("mine", "their"):
            cloud.services.objects.put(name, "there", b"what was there")
        yield Siege(cloud, endpoints, clock, folder, endpoints.credential, role)
