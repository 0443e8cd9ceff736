"""Functions in child processes: the contract of the runtime, time limits, retries and destinations."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from localyun.clock import HostClock
from localyun.errors import ServiceError
from localyun.fc.service import FunctionService
from localyun.fc.store import InvocationStore
from localyun.fc.values import AsyncConfig, AsyncInvocation, FcSettings, FunctionConfig, LifecycleHook
from localyun.ram.credentials import Credential, Keyring

TIME_SCALE = 50.0  # the first retry after 20 ms


class World:
    """A function service, and the records that it sent to destinations."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.changed = threading.Condition()
        self.keyring = Keyring()
        self.service = self.start()

    def start(self) -> FunctionService:
        """Start a service on the same directory."""
        settings = FcSettings(
            "1234567890123456", "cn-hangzhou", {"OSS_ENDPOINT": "http://local"}, time_scale=TIME_SCALE
        )
        return FunctionService(self.root / "data", HostClock(), self.keyring, settings, self.deliver)

    def deliver(self, arn: str, record: str) -> None:
        """Receive the record of an asynchronous invocation."""
        with self.changed:
            self.records.append((arn, json.loads(record)))
            self.changed.notify_all()

    def deploy(self, source: str, name: str = "f", **settings: Any) -> FunctionConfig:
        """Deploy a function whose index.py has the given source."""
        code = self.root / name
        code.mkdir(exist_ok=True)
        (code / "index.py").write_text(source)
        config = FunctionConfig(name, "index.handler", (code,), **{"timeout": 10, **settings})
        self.service.deploy(config)
        return config

    def wait(self, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
        """Wait until a number of records has arrived, and return all."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.records) >= count, 10)
            return self.records


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a new service for each test."""
    world = World(tmp_path)
    yield world
    world.service.close()


def test_a_handler_receives_bytes_and_a_context_and_its_string_is_the_payload(world: World) -> None:
    """The event is bytes, and a returned string is the payload, unchanged."""
    world.deploy("def handler(event, context):\n    return type(event).__name__ + context.request_id")

    result = world.service.invoke("f", b"\xff", request_id="r-1")

    assert (result.error_type, result.payload) == ("", b"bytesr-1")


def test_other_results_become_sorted_json(world: World) -> None:
    """Decimals become numbers and dates become ISO strings, as in the vendor's runtime."""
    world.deploy(
        "import datetime, decimal\n"
        "def handler(event, context):\n"
        "    return {'b': decimal.Decimal('1.5'), 'a': datetime.date(2026, 1, 2)}"
    )

    result = world.service.invoke("f", b"")

    assert result.payload == b'{\n    "a": "2026-01-02",\n    "b": 1.5\n}'


def test_an_exception_becomes_the_vendors_error_document(world: World) -> None:
    """The document has message, type and stack, without the bootstrap's own frame."""
    config = world.deploy("def handler(event, context):\n    raise ValueError('no such key')")

    result = world.service.invoke("f", b"")

    index = config.code[0] / "index.py"
    stack = [[f'File "{index}"', "line 2", "in handler", "raise ValueError('no such key')"]]
    assert result.error_type == "UnhandledInvocationError"
    assert {"errorMessage": "no such key", "errorType": "ValueError", "stackTrace": stack} == json.loads(result.payload)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import no_such_module_anywhere", "ImportModuleError"),
        ("def handler(:", "UserCodeSyntaxError"),
        ("raise RuntimeError('at import')", "UserCodeError"),
        ("x = 1", "HandlerNotFound"),
    ],
)
def test_a_handler_that_cannot_be_loaded_can_be_fixed(world: World, source: str, kind: str) -> None:
    """The error has the vendor's type; after the file is fixed, a new instance answers the next request."""
    config = world.deploy(source)

    broken = world.service.invoke("f", b"")
    (config.code[0] / "index.py").write_text("def handler(event, context):\n    return 'fixed'  # longer now")
    fixed = world.service.invoke("f", b"")

    assert kind == json.loads(broken.payload)["errorType"]
    assert fixed.payload == b"fixed"


def test_an_instance_is_reused(world: World) -> None:
    """Module state survives between requests."""
    world.deploy(
        "import os\ncalls = []\ndef handler(event, context):\n    calls.append(1)\n    return [os.getpid(), len(calls)]"
    )

    answers = [json.loads(world.service.invoke("f", b"").payload) for _ in range(3)]

    assert len({pid for pid, _ in answers}) == 1
    assert [count for _, count in answers] == [1, 2, 3]


def test_an_instance_handles_one_request_at_a_time(world: World) -> None:
    """Concurrent requests have separate instances."""
    world.deploy("import os, time\ndef handler(event, context):\n    time.sleep(0.3)\n    return str(os.getpid())")
    pids: list[bytes] = []
    threads = [threading.Thread(target=lambda: pids.append(world.service.invoke("f", b"").payload)) for _ in "ab"]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(pids)) == 2


def test_a_function_that_exceeds_its_timeout_is_ended_with_its_stacks_in_the_log(world: World) -> None:
    """SIGTERM makes the process log its stacks; the next request has a new instance."""
    world.deploy("import time\ndef handler(event, context):\n    time.sleep(float(event))", timeout=1)

    late = world.service.invoke("f", b"30")
    again = world.service.invoke("f", b"0")

    assert json.loads(late.payload)["errorMessage"] == "Function timed out after 1 seconds"
    assert "in handler" in world.service.logs("f")
    assert again.error_type == ""


def test_a_function_that_ignores_sigterm_is_killed(world: World) -> None:
    """No process outlives its timeout by more than the grace period."""
    world.deploy(
        "import signal, time\n"
        "def handler(event, context):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    time.sleep(60)",
        timeout=1,
    )

    started = time.monotonic()
    result = world.service.invoke("f", b"")

    assert result.error_type == "UnhandledInvocationError"
    assert time.monotonic() - started < 5


def test_a_process_that_exits_is_a_function_error_with_its_last_output(world: World) -> None:
    """The message has the end of its output."""
    world.deploy("import os\ndef handler(event, context):\n    print('last output', flush=True)\n    os._exit(7)")

    result = world.service.invoke("f", b"")

    document = json.loads(result.payload)
    assert result.error_type == "UnhandledInvocationError"
    assert "exit code 7" in document["errorMessage"]
    assert "last output" in document["errorMessage"]


def test_a_function_that_uses_more_than_its_memory_is_killed(world: World) -> None:
    """The error has the vendor's text; the next request runs in a new instance, whose children count as well."""
    world.deploy(
        "import subprocess, sys, threading\n"
        "code = 'x = bytearray(200 << 20); import time; time.sleep(5)'\n"
        "def handler(event, context):\n"
        "    if event == b'child':\n"
        "        thread = threading.Thread(target=subprocess.run, args=([sys.executable, '-c', code],))\n"
        "        thread.start()\n        thread.join()\n"
        "    return str(len(bytearray(int(event))))",
        memory=128,
        timeout=20,
    )

    small, large, again = (world.service.invoke("f", str(size << 20).encode()) for size in (20, 200, 20))
    child = world.service.invoke("f", b"child")
    error = json.loads(large.payload)

    assert (small.error_type, again.error_type) == ("", "")
    assert 20 < small.memory_mb < 128 < large.memory_mb
    assert small.instance_id == large.instance_id != again.instance_id
    assert [large.error_type, child.error_type] == ["UnhandledInvocationError"] * 2
    assert json.loads(child.payload)["errorType"] == error["errorType"] == "FunctionOOMError"
    assert re.match(
        r"Process exited unexpectedly before completing request \(duration: \d+ms, maxMemoryUsage: \d+\.\d\dMB\)",
        error["errorMessage"],
    )


@pytest.mark.parametrize(
    "change",
    [
        "open('new', 'w')",
        "open(os.environ['FC_FUNC_CODE_PATH'] + '/index.py', 'a')",
        "os.open('index.py', os.O_RDWR)",
        "os.mkdir('folder')",
        "os.remove('index.py')",
        "os.rename('index.py', '/tmp/index.py')",
        "os.symlink('/tmp', 'link')",
        "pathlib.Path('index.py').chmod(0o777)",
        "os.truncate('../f/index.py', 0)",
        "os.remove('index.py', dir_fd=os.open('.', os.O_RDONLY))",
    ],
)
def test_a_function_cannot_change_its_code(world: World, change: str) -> None:
    """The code directory, in which a function starts, is read-only; the temporary directory is not."""
    source = (
        "import os, pathlib, tempfile\n"
        "def handler(event, context):\n"
        "    with tempfile.TemporaryDirectory() as folder:\n"
        "        pathlib.Path(folder, 'index.py').write_bytes(open('index.py', 'rb').read())\n"
        f"    {change}"
    )
    config = world.deploy(source)

    error = json.loads(world.service.invoke("f", b"").payload)

    assert error["errorType"] == "OSError"
    assert "Read-only file system" in error["errorMessage"]
    assert [(file.name, file.read_text()) for file in config.code[0].iterdir() if file.is_file()] == [
        ("index.py", source)
    ]


def test_the_initializer_runs_once_per_instance_and_its_error_fails_the_request(world: World) -> None:
    """After an error, the next request starts a new instance."""
    world.deploy(
        "import pathlib\n"
        "count = 0\n"
        "def initialize(context):\n"
        "    global count\n"
        "    count += 1\n"
        "    if not pathlib.Path('ready').exists():\n"
        "        raise RuntimeError('not yet')\n"
        "def handler(event, context):\n"
        "    return count",
        initializer=LifecycleHook("index.initialize"),
    )

    failed = world.service.invoke("f", b"")
    (world.root / "f" / "ready").touch()
    answers = [world.service.invoke("f", b"").payload for _ in range(2)]

    assert (failed.error_type, json.loads(failed.payload)["errorMessage"]) == ("InitializationError", "not yet")
    assert answers == [b"1", b"1"]


def test_the_pre_stop_hook_runs_when_the_service_closes(world: World) -> None:
    """An idle instance runs its hook before it ends."""
    world.deploy(
        "import pathlib\n"
        "def clean_up(context):\n    pathlib.Path('../stopped').touch()\n"
        "def handler(event, context):\n    return ''",
        pre_stop=LifecycleHook("index.clean_up", 5),
    )
    world.service.invoke("f", b"")

    world.service.close()

    assert (world.root / "stopped").exists()


def test_the_environment_is_clean_and_has_the_roles_key(world: World) -> None:
    """Variables of the local cloud are absent; FC_* of the configuration are dropped; local endpoints override it."""
    world.deploy(
        "import os\ndef handler(event, context):\n    return dict(os.environ)",
        environment={"OSS_ENDPOINT": "https://cloud", "FC_MINE": "x", "MINE": "y"},
        role="acs:ram::1234567890123456:role/r",
    )

    env = json.loads(world.service.invoke("f", b"").payload)

    key = world.keyring.find(env["ALIBABA_CLOUD_ACCESS_KEY_ID"])
    secret, token = env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"]
    assert Credential(env["ALIBABA_CLOUD_ACCESS_KEY_ID"], secret, token, "acs:ram::1234567890123456:role/r") == key
    assert (env["OSS_ENDPOINT"], env["MINE"], env["FC_FUNCTION_NAME"]) == ("http://local", "y", "f")
    assert {"FC_MINE", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"}.isdisjoint(env)


@pytest.mark.parametrize(("runtime", "expected"), [("python3.10", True), ("python3.12", False)])
def test_the_context_has_credentials_only_before_python312(world: World, runtime: str, expected: bool) -> None:
    """The newer runtime has neither credentials nor service."""
    world.deploy(
        "def handler(event, context):\n    return [hasattr(context, 'credentials'), hasattr(context, 'service')]",
        runtime=runtime,
    )

    assert [expected, expected] == json.loads(world.service.invoke("f", b"").payload)


def test_logs_have_the_request_id_and_the_result_has_their_tail(world: World) -> None:
    """The root logger is configured; the output of a request is readable when its result is returned."""
    world.deploy(
        "import logging\ndef handler(event, context):\n    print('plain')\n    logging.getLogger('x').info('logged')"
    )

    result = world.service.invoke("f", b"", request_id="r-9")

    log = world.service.logs("f")
    assert "FC Invoke Start RequestId: r-9\nplain\n" in log
    assert " r-9 [INFO] logged\nFC Invoke End RequestId: r-9\n" in log
    assert b"plain" in result.log_tail


def test_a_missing_function_is_rejected_with_the_names_of_existing_ones(world: World) -> None:
    """The error is a 404 with the names of the deployed functions."""
    world.deploy("def handler(event, context):\n    return ''", name="existing")

    with pytest.raises(ServiceError, match="deployed are: existing") as refusal:
        world.service.invoke("missing", b"")

    assert (refusal.value.status, refusal.value.code) == (404, "FunctionNotFound")


def test_an_asynchronous_payload_of_more_than_128_kb_is_rejected(world: World) -> None:
    """The limit is the vendor's."""
    world.deploy("def handler(event, context):\n    return ''")

    with pytest.raises(ServiceError, match="131072"):
        world.service.invoke_async("f", b"x" * (128 * 1024 + 1))


COUNTING = (
    "import pathlib\n"
    "def handler(event, context):\n"
    "    seen = pathlib.Path('../seen')\n"
    "    with seen.open('a') as file:\n        file.write(f'{context.retry_count}\\n')\n"
    "    if len(seen.read_text().split()) < int(event):\n        raise RuntimeError('again')\n"
    "    return 'done'"
)
QUEUE, TOPIC = "acs:mns:cn-hangzhou::/queues/dead/messages", "acs:mns:cn-hangzhou::/topics/t/messages"


def test_a_failed_invocation_is_retried_until_it_succeeds(world: World) -> None:
    """The success destination receives the record, with the number of attempts."""
    world.deploy(COUNTING, asynchronous=AsyncConfig(3, 60, on_success=TOPIC, on_failure=QUEUE))
    world.service.start()

    request_id = world.service.invoke_async("f", b"3")
    [(arn, record)] = world.wait()

    assert arn == TOPIC
    assert (world.root / "seen").read_text() == "0\n1\n2\n"
    assert {
        "requestId": request_id,
        "functionArn": "acs:fc:cn-hangzhou:1234567890123456:functions/f",
        "condition": "",
        "approximateInvokeCount": 3,
    } == record["requestContext"]
    assert (record["requestPayload"], record["responsePayload"]) == ("3", "done")


def test_an_invocation_that_always_fails_is_sent_to_the_failure_destination(world: World) -> None:
    """There are exactly as many retries as configured."""
    world.deploy(COUNTING, asynchronous=AsyncConfig(1, 60, on_success=TOPIC, on_failure=QUEUE))
    world.service.start()

    world.service.invoke_async("f", b"99")
    [(arn, record)] = world.wait()

    assert arn == QUEUE
    assert record["responseContext"] == {"statusCode": 200, "functionError": "UnhandledInvocationError"}
    assert (world.root / "seen").read_text() == "0\n1\n"


def test_a_destination_may_be_another_function(world: World) -> None:
    """The function receives the record as its event."""
    world.deploy("def handler(event, context):\n    return event", "g", asynchronous=AsyncConfig(on_success=TOPIC))
    arn = "acs:fc:cn-hangzhou:1234567890123456:functions/g"
    world.deploy("def handler(event, context):\n    return 'first'", asynchronous=AsyncConfig(on_success=arn))
    world.service.start()

    world.service.invoke_async("f", b"payload")
    [(_, record)] = world.wait()

    assert json.loads(record["responsePayload"])["responsePayload"] == "first"


def test_an_expired_invocation_is_sent_to_the_failure_destination(world: World) -> None:
    """An invocation that waits longer than maxAsyncEventAgeInSeconds fails."""
    world.deploy(COUNTING, asynchronous=AsyncConfig(3, 0, on_failure=QUEUE))
    world.service.invoke_async("f", b"1")

    world.service.start()
    [(_, record)] = world.wait()

    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["responseContext"] == {"statusCode": 200, "functionError": ""}
    assert not (world.root / "seen").exists()


def test_an_accepted_invocation_survives_the_service(world: World) -> None:
    """The next service runs the invocations of one that was never started."""
    world.deploy(COUNTING)
    world.service.invoke_async("f", b"1")
    world.service.close()

    world.service = world.start()
    world.deploy(COUNTING, asynchronous=AsyncConfig(on_success=TOPIC))
    world.service.start()
    [(arn, _)] = world.wait()

    assert arn == TOPIC


def test_an_invocation_that_was_running_at_close_runs_again(world: World) -> None:
    """Closing ends the process; the invocation is neither lost nor counted as failed."""
    slow = "import pathlib, time\ndef handler(event, context):\n    pathlib.Path('../seen').touch()\n    time.sleep(60)"
    world.deploy(slow, timeout=70, asynchronous=AsyncConfig(on_failure=QUEUE))
    world.service.start()
    world.service.invoke_async("f", b"1")
    _until((world.root / "seen").exists)

    world.service.close()
    world.service = world.start()
    world.deploy("def handler(event, context):\n    return 'ok'  # quick", asynchronous=AsyncConfig(on_success=TOPIC))
    world.service.start()

    assert [arn for arn, _ in world.wait()] == [TOPIC]


def test_instances_end_when_the_service_is_killed(tmp_path: Path) -> None:
    """A function's process does not outlive the local cloud, even during a request."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.py").write_text(
        "import os, pathlib, time\n"
        "def handler(event, context):\n"
        "    pathlib.Path('../pid').write_text(str(os.getpid()))\n    time.sleep(60)"
    )
    script = (
        "import sys, pathlib\n"
        "from localyun.clock import HostClock\n"
        "from localyun.ram.credentials import Keyring\n"
        "from localyun.fc.values import FcSettings, FunctionConfig\n"
        "from localyun.fc.service import FunctionService\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "service = FunctionService(root / 'data', HostClock(), Keyring(), FcSettings('1', 'r'), print)\n"
        "service.deploy(FunctionConfig('f', 'index.handler', (root / 'code',), timeout=60))\n"
        "service.invoke('f', b'')\n"
    )
    cloud = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = int((tmp_path / "pid").read_text())

    cloud.send_signal(signal.SIGKILL)
    cloud.wait()

    _until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])


def test_an_invocation_starts_immediately(world: World) -> None:
    """An instance is ready and nothing polls: the destination receives the record long before a retry is due."""
    world.deploy("def handler(event, context):\n    return ''", asynchronous=AsyncConfig(on_success=TOPIC))
    world.service.start()
    world.service.invoke("f", b"")

    started = time.monotonic()
    world.service.invoke_async("f", b"")
    world.wait()

    assert time.monotonic() - started < 2


def _until(condition: Callable[[], object]) -> None:
    """Wait for a condition outside this process."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition is not true after 10 s"
        time.sleep(0.01)


def test_a_data_directory_of_the_first_version_can_be_opened(tmp_path: Path) -> None:
    """Its table of invocations has no qualifiers: they are all LATEST."""
    with closing(sqlite3.connect(tmp_path / "invocations.sqlite")) as db, db:
        db.execute(
            "CREATE TABLE invocations (request_id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, "
            "attempt INTEGER NOT NULL, due REAL NOT NULL, accepted REAL NOT NULL)"
        )
        db.execute("INSERT INTO invocations VALUES ('r', 'f', x'61', 1, 2.0, 3.0)")
    store = InvocationStore(tmp_path / "invocations.sqlite")
    found = store.all()
    store.close()

    assert [AsyncInvocation("r", "f", b"a", 1, 2.0, 3.0, "LATEST")] == found
