"""Runs several HTTP servers in one thread with one event loop. Knows sockets and uvicorn, no service.

Sockets are bound before the servers start, so that their addresses are known early.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from localyun.http import ABORT

GRACE_SECONDS = 3  # for requests in progress when the servers stop
KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, which are therefore rarely closed here


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 selects a free one. Raises OSError if the address is in use."""
    # asyncio disables Nagle's algorithm only if the protocol is given; otherwise every response takes 40 ms longer.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Site(NamedTuple):
    """An app and its bound socket. `tls`: the files of the certificate and its key, if it is served over HTTPS."""

    socket: socket.socket
    app: ASGIApp
    tls: tuple[Path, Path] | None = None


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with an extension that lets an app close the connection."""

    def on_message_begin(self) -> None:
        """Add the extension to the scope of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"now": self.transport.abort}}

    def shutdown(self) -> None:
        """Close the connection; an idle one with TLS without waiting for the client's part, which may never come."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.transport.get_extra_info("sslcontext"):
            self.transport.abort()
        else:
            super().shutdown()


class _Server(uvicorn.Server):
    """A uvicorn server that releases a semaphore once it accepts requests."""

    def __init__(self, config: uvicorn.Config, started: threading.Semaphore) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then release the semaphore."""
        await super().startup(sockets)
        self._started.release()


class Listeners:
    """The HTTP servers of a local cloud."""

    def __init__(self) -> None:
        self._servers: list[_Server] = []
        self._thread: threading.Thread | None = None

    def start(self, sites: Sequence[Site]) -> None:
        """Serve each app at its socket; return when all accept requests."""
        started = threading.Semaphore(0)
        self._servers = [_Server(_config(site), started) for site in sites]
        sockets = [site.socket for site in sites]
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(sockets),), name="http", daemon=True)
        self._thread.start()
        for _ in sites:
            started.acquire()

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        pairs = zip(self._servers, sockets, strict=True)
        await asyncio.gather(*(server.serve([bound]) for server, bound in pairs))

    def stop(self) -> None:
        """Accept no new requests; `join` waits for those in progress."""
        for server in self._servers:
            server.should_exit = True

    def join(self) -> None:
        """Wait until all servers have stopped."""
        if self._thread:
            self._thread.join()


def _config(site: Site) -> uvicorn.Config:
    """Leave the logging configuration of the process alone; the endpoints send their own Date and Server headers."""
    certificate, key = site.tls or (None, None)
    return uvicorn.Config(
        site.app,
        ssl_certfile=certificate,
        ssl_keyfile=key,
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
