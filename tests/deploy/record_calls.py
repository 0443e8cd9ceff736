"""Records what Serverless Devs calls, and measures it: `S_COMPONENTS=DIR python -m tests.deploy.record_calls`.

A proxy in front of each endpoint of an empty local cloud notes every call, without keys and signatures, while the tool
deploys this project, shows, invokes and plans it, deploys it again, and removes it.
"""

import http.client
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from localyun import server
from localyun.server import LocalCloud
from tests.deploy.flow import run_job
from tests.deploy.recorded_calls import KEPT_HEADERS, PACKAGE, TEMPLATE, Call, json_object, named_values, save
from tests.deploy.serverless_devs import Account, Endpoints, ServerlessDevs, commands
from tests.deploy.tools import ROOT

HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})
IN_PROGRESS = "_IN_PROGRESS"


class Upstream(NamedTuple):
    """A service behind a proxy: its name, how to connect to it, and the TLS of the proxy, if it has any."""

    name: str
    connect: Callable[[], http.client.HTTPConnection]
    tls: ssl.SSLContext | None = None


class Recorder:
    """Notes calls in the order of their answers."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, call: Call, body: bytes, answer: bytes) -> None:
        """Note a call, with its body and the answer's."""
        with self._lock:
            document = json_object(answer)
            final = document.get("Status", "") if call.headers.get("x-acs-action") == "GetStack" else ""
            text, target = (self._with_placeholders(part) for part in (_body(call, body), call.target))
            headers = {name: self._with_placeholders(value) for name, value in call.headers.items()}
            self._calls.append(call._replace(target=target, headers=headers, body=text, final=final))
            self._values |= {value: name for name, value in named_values(document)}

    def taken(self) -> list[Call]:
        """Return the calls since the last call of this method, each upload with the function that it is for."""
        with self._lock:
            calls, self._calls = self._calls, []
        return [
            call._replace(body=f"{PACKAGE}{_next_function(calls[index:])}") if call.body == PACKAGE else call
            for index, call in enumerate(calls)
        ]

    def _with_placeholders(self, text: str) -> str:
        for value, name in self._values.items():
            text = text.replace(value, f"{{{name}}}")
        return text


def _body(call: Call, body: bytes) -> str:
    """Return a body as text; the template and the packages, which are files, by name."""
    if call.service == "oss":
        return PACKAGE
    text, template = body.decode(), (ROOT / "template.yml").read_text("utf-8")
    return TEMPLATE if [template] == parse_qs(text).get("TemplateBody") else text


def _next_function(calls: list[Call]) -> str:
    """Return the function that is created or changed next."""
    changes = (call for call in calls if call.headers.get("x-acs-action") in ("CreateFunction", "UpdateFunction"))
    change = next(changes)
    name = json_object(change.body.encode()).get("functionName") or change.target.rpartition("/")[2]
    return str(name).rpartition("-")[2]


@contextmanager
def proxy(upstream: Upstream, recorder: Recorder) -> Iterator[str]:
    """Run a proxy on a free port of 127.0.0.1; yield its host and port. It passes the signed Host header on."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = _read(self)
            sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
            connection = upstream.connect()
            connection.request(self.command, self.path, body, sent)
            response = connection.getresponse()
            content = response.read()
            kept = KEPT_HEADERS | ({"host"} if upstream.name == "oss" else set())
            headers = {name.lower(): value for name, value in self.headers.items() if name.lower() in kept}
            call = Call(upstream.name, self.command, self.path, headers, "", response.status)
            recorder.add(call, body, content)
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_HEADERS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = relay  # noqa: N815 - the names in http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
            """Write nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    if upstream.tls:
        listener.socket = upstream.tls.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _read(handler: BaseHTTPRequestHandler) -> bytes:
    """Return the body of a request, chunked or of a known length."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    chunks = []
    while size := int(handler.rfile.readline().partition(b";")[0], 16):
        chunks.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(chunks)


@contextmanager
def recorded(endpoints: server.Endpoints, recorder: Recorder) -> Iterator[Endpoints]:
    """Yield the addresses of proxies in front of a local cloud."""
    hosts = {name: url.rpartition("/")[2] for name, url in endpoints.variables().items()}
    client = ssl.create_default_context(cafile=endpoints.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(endpoints.certificate, endpoints.certificate.with_name("ros-key.pem"))
    ros_host = endpoints.ros_tls.rpartition("/")[2]
    with ExitStack() as exits:
        ros, fc, oss = (
            exits.enter_context(proxy(upstream, recorder))
            for upstream in (
                Upstream("ros", lambda: http.client.HTTPSConnection(ros_host, context=client), tls),
                Upstream("fc", lambda: http.client.HTTPConnection(hosts["FC_ENDPOINT"])),
                Upstream("oss", lambda: http.client.HTTPConnection(hosts["OSS_ENDPOINT"])),
            )
        )
        yield Endpoints(ros, f"http://{fc}", f"http://{oss}", endpoints.certificate)


def main() -> int:
    """Run all commands with the tool, write the calls, and print how many they are and how long they take."""
    recorder, calls = Recorder(), {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as exits:
        began = time.monotonic()
        cloud = exits.enter_context(LocalCloud(None, data=Path(folder) / "data"))
        endpoints = exits.enter_context(recorded(cloud, recorder))
        key = cloud.credential
        account = Account(cloud.deployment.account_id, key.access_key_id, key.access_key_secret)
        tool = ServerlessDevs(Path(folder), account, endpoints)
        for name, arguments in commands(tool).items():
            run = tool.run(*arguments())
            calls[name] = recorder.taken()
            sys.stdout.write(f"| {name} | {len(calls[name])} | {run.seconds:.1f} |\n")
            if run.code:
                sys.stdout.write(run.output)
                return 1
            if name == "deploy":
                run_job(cloud)
                sys.stdout.write(f"from the start to the first merged file: {time.monotonic() - began:.1f} s\n")
    save({name: [call for call in calls[name] if not call.final.endswith(IN_PROGRESS)] for name in calls})
    return 0


if __name__ == "__main__":
    sys.exit(main())
