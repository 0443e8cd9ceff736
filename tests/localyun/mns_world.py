"""What the tests of queues and topics share: a clock to turn, a face on a free port, the vendor's client."""

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

from localyun.clock import HostClock
from localyun.http import HttpRequest, HttpResponse, asgi_app
from localyun.ram.credentials import Credential, Keyring
from localyun.smq.http.routes import MnsEndpoint
from localyun.smq.service import MessageService

KEY = Credential("LTAI-test", "secret-test")
ROLE = Credential("STS.role", "secret-role", "token-of-the-role", "role/worker")
PLACE = {"account_id": "1234567890", "region": "cn-hangzhou"}
ARN = "acs:mns:cn-hangzhou:1234567890"


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


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an app on a free port while the block runs; gives the address."""
    # Only a socket that says it is TCP gets TCP_NODELAY from asyncio; without that every answer takes 44 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def eventually(claim: Callable[[], Any], seconds: float = 5.0) -> bool:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not (true := claim()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(true)


class World:
    """A message service, its face, and clients for it."""

    def __init__(self, service: MessageService, clock: TurnedClock, face_: MnsEndpoint, url: str) -> None:
        self.service, self.clock, self.face, self.url = service, clock, face_, url

    def account(self, key: Credential = KEY) -> Account:
        """Return a client of the vendor's SDK; it serves one thread only."""
        return Account(self.url, key.access_key_id, key.access_key_secret, key.security_token)


class Socket:
    """A served address whose answers can be exchanged: starting a server takes longer than most tests."""

    def __init__(self) -> None:
        self.face: MnsEndpoint | None = None

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Let the face that is plugged in answer."""
        assert self.face
        return self.face.answer(call)


@contextmanager
def plugged(socket_: Socket, url: str, root: Path, **options: Any) -> Iterator[World]:
    """Run a message service that retries a thousand times faster than the vendor."""
    clock = TurnedClock()
    service = MessageService(root, clock, **PLACE, time_scale=1000)
    socket_.face = MnsEndpoint(service, Keyring(KEY, ROLE), clock, PLACE["account_id"], **options)
    service.start()
    yield World(service, clock, socket_.face, url)
    service.close()


@contextmanager
def world(root: Path, **options: Any) -> Iterator[World]:
    """Run a message service and a server of its own."""
    socket_ = Socket()
    with served(asgi_app(socket_.answer)) as url, plugged(socket_, url, root, **options) as running:
        yield running
