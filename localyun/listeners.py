"""Serves several faces over HTTP, all in one thread with one event loop.

Knows sockets and uvicorn, no service. A socket is bound before anything starts, so its address can be handed out
early; `start` returns when every face answers.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from localyun.http import CUT

GRACE_SECONDS = 3  # for requests under way when the end is near
KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that they rarely meet a closed one


def bind(host: str, port: int) -> socket.socket:
    """Take an address; port 0 takes a free one. OSError when it is taken."""
    # With its protocol named, asyncio switches Nagle's algorithm off; without, every reply waits 40 ms.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError:
        taken.close()
        raise
    return taken


class _Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it; an app may also cut the connection."""

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"now": self.transport.abort}}


class _Server(uvicorn.Server):
    """Uvicorn, telling when it answers."""

    def __init__(self, config: uvicorn.Config, started: threading.Semaphore) -> None:
        super().__init__(config)
        self._answering = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._answering.release()


class Listeners:
    """Faces at their sockets."""

    def __init__(self) -> None:
        self._servers: list[_Server] = []
        self._thread: threading.Thread | None = None

    def start(self, faces: Sequence[tuple[socket.socket, ASGIApp]]) -> None:
        """Serve; returns when all faces answer."""
        answering = threading.Semaphore(0)
        self._servers = [_Server(_config(app), answering) for _, app in faces]
        sockets = [taken for taken, _ in faces]
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(sockets),), name="faces", daemon=True)
        self._thread.start()
        for _ in faces:
            answering.acquire()

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        """Run all servers until they are told to stop."""
        pairs = zip(self._servers, sockets, strict=True)
        await asyncio.gather(*(server.serve([taken]) for server, taken in pairs))

    def stop(self) -> None:
        """Take no new requests; `join` waits for the end."""
        for server in self._servers:
            server.should_exit = True

    def join(self) -> None:
        """Wait until the last request has been answered."""
        if self._thread:
            self._thread.join()


def _config(app: ASGIApp) -> uvicorn.Config:
    """Serve an app without touching the logging of whoever started us; the faces write their own Date and Server."""
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
