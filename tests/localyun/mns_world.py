"""What the tests of queues and topics share: an adjustable clock, an HTTP endpoint, the vendor's client."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from mns.account import Account
from starlette.types import ASGIApp

from localyun.clock import CloudClock, HostClock
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.ram.credentials import Credential, Keyring
from localyun.smq.http.routes import MnsEndpoint
from localyun.smq.service import MessageService

KEY = Credential("LTAI-test", "secret-test")
ROLE = Credential("STS.role", "secret-role", "token-of-the-role", "role/worker")
ACCOUNT, REGION = "1234567890", "cn-hangzhou"
ARN = "acs:mns:cn-hangzhou:1234567890"


class AdjustableClock(HostClock):
    """The system clock plus an offset that tests increase."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the current time plus the offset."""
        return super().now() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self.offset += timedelta(seconds=seconds)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an app on a free port while the block runs; yield its URL."""
    # asyncio sets TCP_NODELAY only on a socket whose protocol is TCP; without it, every response takes 44 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def eventually(condition: Callable[[], Any], seconds: float = 5.0) -> bool:
    """Wait until a condition is true; return False if it is not true in time."""
    deadline = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(true)


def message_service(root: Path, clock: CloudClock, time_scale: float = 1.0) -> MessageService:
    """Return a message service of the test account."""
    return MessageService(root, clock, account_id=ACCOUNT, region=REGION, time_scale=time_scale)


class World:
    """A message service, its HTTP endpoint, and clients for it."""

    def __init__(self, service: MessageService, clock: AdjustableClock, endpoint: MnsEndpoint, url: str) -> None:
        self.service, self.clock, self.endpoint, self.url = service, clock, endpoint, url

    def account(self, key: Credential = KEY) -> Account:
        """Return a client of the vendor's SDK, which is not thread-safe."""
        return Account(self.url, key.access_key_id, key.access_key_secret, key.security_token)


class EndpointSlot:
    """A served URL whose endpoint each test replaces, because starting a server takes longer than most tests."""

    def __init__(self) -> None:
        self.endpoint: MnsEndpoint | None = None

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Let the current endpoint answer."""
        assert self.endpoint
        return self.endpoint.answer(call)


@contextmanager
def running(slot: EndpointSlot, url: str, root: Path, **options: Any) -> Iterator[World]:
    """Run a message service that retries 1000 times faster than the vendor's."""
    clock = AdjustableClock()
    service = message_service(root, clock, 1000)
    slot.endpoint = MnsEndpoint(Keyring(KEY, ROLE), clock, service, ACCOUNT, **options)
    service.start()
    yield World(service, clock, slot.endpoint, url)
    service.close()


@contextmanager
def world(root: Path, **options: Any) -> Iterator[World]:
    """Run a message service with its own server."""
    slot = EndpointSlot()
    with served(asgi_app(slot.answer)) as url, running(slot, url, root, **options) as new:
        yield new
