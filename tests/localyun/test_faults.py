"""Fault injection: faults are drawn from a seed, occur at the named point, and are counted."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import oss2
import pytest
from mns.account import Account
from mns.mns_exception import MNSClientNetworkException, MNSServerException
from mns.queue import Message

from localyun.clock import HostClock
from localyun.data_dir import DataDir
from localyun.faults import NO_FAULTS, PROBABILITIES, FaultInjector, FaultProfile
from localyun.fc.service import FunctionService
from localyun.fc.store import InvocationStore
from localyun.fc.triggers import Triggers
from localyun.fc.values import FcSettings, FunctionConfig, ObjectTrigger
from localyun.imm.task_spec import Encoding, TaskSource, TaskSpec
from localyun.imm.values import FAILED, SUCCEEDED
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Keyring
from localyun.server import LocalCloud
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage
from tests.localyun.audio_world import AudioWorld, tone
from tests.localyun.mns_world import eventually

ROOT = Path(__file__).parents[2]
ALWAYS = 1.0


def always(*kinds: str) -> FaultInjector:
    """Return an injector of these kinds of faults, every time, and of no others."""
    return FaultInjector(FaultProfile(1, probabilities=dict.fromkeys(kinds, ALWAYS)))


def delays(seed: int, fault_rate: float = 1.0) -> list[tuple[float, ...]]:
    """Return the delivery delays of a hundred events."""
    faults = FaultInjector(FaultProfile(seed, fault_rate))
    return [faults.delivery_delays("event") for _ in range(100)]


def test_a_seed_determines_the_faults() -> None:
    """The same seed gives the same delays to a hundred events; another seed does not."""
    assert delays(7) == delays(7)
    assert delays(7) != delays(8)


def test_kinds_are_independent() -> None:
    """Faults of tasks do not change those of events."""
    faults = FaultInjector(FaultProfile(7))
    mixed = []
    for _ in range(100):
        faults.runs_task_twice()
        mixed.append(faults.delivery_delays("event"))

    assert delays(7) == mixed


def test_the_fault_rate_multiplies_the_probabilities() -> None:
    """At 0 no event is dropped, at 1 about a tenth of them, at 10 all."""
    none, usual, worst = (delays(7, fault_rate) for fault_rate in (0.0, 1.0, 10.0))

    assert [(0.0,)] * 100 == none
    assert 2 <= usual.count(()) <= 25
    assert {0, 1, 2} == {len(copies) for copies in usual}
    assert [()] * 100 == worst


def test_no_faults_changes_and_counts_nothing() -> None:
    """It is the default of every service."""
    killed: list[str] = []
    with NO_FAULTS.random_kill(lambda: killed.append("killed")):
        answers = (
            NO_FAULTS.delivery_delays("event"),
            NO_FAULTS.run_request(lambda: "answer"),
            NO_FAULTS.run_task(lambda: "made", []),
            NO_FAULTS.runs_task_twice(),
        )

    assert ((0.0,), "answer", "made", False) == answers
    assert ([], {}) == (killed, NO_FAULTS.counts)


def test_counting_continues_from_earlier_counts(tmp_path: Path) -> None:
    """The file is complete after each fault, so that the counts of a killed cloud are not lost."""
    data = DataDir(tmp_path)
    data.save_fault_counts({"event dropped": 2})
    faults = FaultInjector(
        FaultProfile(1, probabilities={"event dropped": ALWAYS}), data.fault_counts(), data.save_fault_counts
    )

    lost = faults.delivery_delays("event")

    assert () == lost
    assert {"event dropped": 3} == faults.counts == json.loads((tmp_path / "faults.json").read_text())
    data.release()


class RecordedUploads:
    """A bucket whose events invoke a function that records them."""

    def __init__(self, root: Path, faults: FaultInjector) -> None:
        self.objects = ObjectService(root / "objects", HostClock())
        self.objects.create_bucket("bkt")
        self.functions = FunctionService(root / "f", HostClock(), Keyring(), FcSettings("1", "r"), print, faults)
        code = root / "code"
        code.mkdir()
        (code / "index.py").write_text(
            "def handler(event, context):\n    open('../seen', 'ab').write(event + b'\\n')\n"
        )
        self.functions.deploy(FunctionConfig("f", "index.handler", (code,), timeout=10))
        trigger = ObjectTrigger("f", "t", "bkt", ("oss:ObjectCreated:PutObject",), "", "")
        self.messages = MessageService(root / "m", HostClock(), account_id="1", region="r")
        Triggers(self.functions, self.objects, self.messages, HostClock(), faults).put(trigger)
        self.functions.start()
        self._seen = root / "seen"

    def seen(self) -> list[str]:
        """Return the keys of the events that the function received."""
        lines = self._seen.read_bytes().splitlines() if self._seen.exists() else []
        return [json.loads(line)["events"][0]["oss"]["object"]["key"] for line in lines]

    def close(self) -> None:
        """Stop the services."""
        self.functions.close()
        self.messages.close()
        self.objects.close()


@pytest.fixture
def duplicating(tmp_path: Path) -> Iterator[RecordedUploads]:
    """Every event is delivered twice, the second time later."""
    made = RecordedUploads(tmp_path, always("event duplicated"))
    yield made
    made.close()


def test_an_event_is_delivered_twice(duplicating: RecordedUploads) -> None:
    """Each delivery is an invocation, as in the cloud."""
    duplicating.objects.put("bkt", "a", b"x")

    assert eventually(lambda: ["a", "a"] == duplicating.seen(), 30)


def test_a_dropped_event_invokes_no_function(tmp_path: Path) -> None:
    """No invocation is pending either."""
    uploads = RecordedUploads(tmp_path, always("event dropped"))
    uploads.objects.put("bkt", "a", b"x")
    pending = InvocationStore(tmp_path / "f" / "invocations.sqlite")

    assert [] == pending.all()
    assert [] == uploads.seen()
    pending.close()
    uploads.close()


@pytest.mark.parametrize(("kind", "times"), [("dropped", 0), ("duplicated", 2), ("delayed", 1)])
def test_a_message_of_a_topic_is_dropped_duplicated_or_delayed(tmp_path: Path, kind: str, times: int) -> None:
    """Each subscription has its own faults; pending deliveries are on disk."""
    faults = always(f"message {kind}")
    service = MessageService(tmp_path, HostClock(), account_id="1", region="r", faults=faults)
    received: list[str] = []

    def receive(_subscription: Subscription, published: TopicMessage) -> None:
        received.append(published.body)

    service.topics.create("t")
    service.topics.subscribe("t", "s", endpoint="http://127.0.0.1:1/")
    service.deliver_to("http://", receive)
    service.start()
    service.publish("t", "one")

    assert eventually(lambda: ["one"] * times == received, 30)
    assert {f"message {kind}": 1} == faults.counts
    assert eventually(lambda: 0 == pending_deliveries(tmp_path))
    service.close()


def pending_deliveries(root: Path) -> int:
    """Return the number of deliveries on disk."""
    with closing(sqlite3.connect(root / "messages.sqlite")) as database:
        return int(database.execute("SELECT COUNT(*) FROM deliveries").fetchone()[0])


def bucket_of(environment: Mapping[str, str]) -> oss2.Bucket:
    """Return a client of the bucket of a local cloud."""
    auth = oss2.Auth(environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, environment["OSS_ENDPOINT"], environment["CLIPSTITCH_BUCKET"])


@pytest.mark.parametrize(
    ("kind", "status", "processed"),
    [
        ("request rejected", 503, False),
        ("request failed after processing", 500, True),
        ("connection cut after processing", oss2.exceptions.OSS_REQUEST_ERROR_STATUS, True),
    ],
)
def test_the_vendors_clients_report_injected_faults(kind: str, status: int, processed: bool) -> None:
    """The clients of OSS and SMQ raise as in the cloud; object and message exist if the request was processed."""
    cloud = LocalCloud(ROOT, fault_profile=FaultProfile(1, probabilities={kind: ALWAYS}))
    environment = cloud.start().environment()
    keys = environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"]
    queue = Account(environment["MNS_ENDPOINT"], *keys).get_queue(environment["CLIPSTITCH_EVENTS_QUEUE"])

    with pytest.raises(oss2.exceptions.OssError) as caught:
        bucket_of(environment).put_object("a.txt", "hello")
    with pytest.raises((MNSServerException, MNSClientNetworkException)):
        queue.send_message(Message("hello"))

    stored = [found.key for found in cloud.services.objects.page(environment["CLIPSTITCH_BUCKET"]).objects]
    sent = cloud.services.messages.receive(environment["CLIPSTITCH_EVENTS_QUEUE"])
    counted = cloud.faults.counts[kind]
    cloud.stop()
    assert status == caught.value.status
    assert (["a.txt"] if processed else []) == stored
    assert processed == bool(sent)
    assert counted >= 2


def work(key: str) -> TaskSpec:
    """Return the work of converting one clip to FLAC."""
    return TaskSpec((TaskSource("media", "a.wav"),), Encoding("flac", 8000, 1), "media", key, topic="done")


def test_an_injected_task_failure_has_a_code_of_the_vendor(tmp_path: Path) -> None:
    """Both transient codes occur; no object is created."""
    world = AudioWorld(tmp_path, faults=always("task failed"))
    world.upload(tone(tmp_path / "a.wav", 400, 0.2, 8000))
    world.tasks.start()

    ended = [world.finished(world.tasks.submit(work(f"{n}.flac"), "proj").task_id) for n in range(8)]
    kept = [found.key for found in world.objects.page("media").objects]
    world.close()

    assert {FAILED} == {task.status for task in ended}
    assert {"InternalError", "Throttling.User"} == {task.code for task in ended}
    assert ["a.wav"] == kept


def test_a_repeated_task_sends_two_notifications(tmp_path: Path) -> None:
    """Both runs write the same bytes; the recorded status remains."""
    world = AudioWorld(tmp_path, faults=always("task repeated"))
    world.upload(tone(tmp_path / "a.wav", 400, 0.2, 8000))
    world.tasks.start()

    task_id = world.tasks.submit(work("out.flac"), "proj").task_id
    twice = eventually(lambda: len(world.notifications) == 2, 20)
    task = world.tasks.get(task_id)
    world.close()

    assert twice
    assert [task_id] * 2 == [json.loads(json.loads(text)["content"])["TaskId"] for _, text in world.notifications]
    assert SUCCEEDED == task.status


def test_an_instance_is_killed_while_it_runs(tmp_path: Path) -> None:
    """SIGKILL: the instance can neither respond nor clean up."""
    (tmp_path / "index.py").write_text(
        "import time\ndef handler(event, context):\n    time.sleep(30)\n    return 'well'\n"
    )
    faults = always("instance killed")
    service = FunctionService(tmp_path / "data", HostClock(), Keyring(), FcSettings("1", "r"), print, faults)
    service.deploy(FunctionConfig("f", "index.handler", (tmp_path,), timeout=60))

    killed = service.invoke("f", b"")
    service.close()

    assert "ProcessExited" == json.loads(killed.payload)["errorType"]
    assert "exit code -9" in json.loads(killed.payload)["errorMessage"]
    assert {"instance killed": 1} == faults.counts


def test_only_kinds_with_a_probability_occur() -> None:
    """Counted kinds are keys of PROBABILITIES."""
    faults = FaultInjector(FaultProfile(3, fault_rate=10))
    for what in ("event", "message"):
        faults.delivery_delays(what)
    faults.runs_task_twice()

    assert set(PROBABILITIES) >= set(faults.counts)
