"""Bad weather: what goes wrong is drawn from a seed, happens where it says, and is counted."""

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

from localyun.clock import SystemClock
from localyun.data_dir import DataDir
from localyun.fc.values import FcSettings, FunctionConfig, ObjectTrigger
from localyun.faults import CHANCES, FINE, BadWeather, Forecast
from localyun.fc.store import InvocationStore
from localyun.fc.service import FunctionService
from localyun.fc.triggers import ObjectTriggers
from localyun.imm.values import FAILED, SUCCEEDED
from localyun.imm.task_spec import Encoding, TaskSource, TaskSpec
from localyun.oss.service import ObjectStore
from localyun.ram.credentials import Keyring
from localyun.server import LocalCloud
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage
from tests.localyun.audio_world import AudioWorld, tone
from tests.localyun.mns_world import eventually

ROOT = Path(__file__).parents[2]
ALWAYS = 1.0


def sure(*kinds: str) -> BadWeather:
    """Make weather in which these kinds of misfortune happen every time, and nothing else."""
    return BadWeather(Forecast(1, chances=dict.fromkeys(kinds, ALWAYS)))


def fates(seed: int, severity: float = 1.0) -> list[tuple[float, ...]]:
    """Return what becomes of a hundred events."""
    weather = BadWeather(Forecast(seed, severity))
    return [weather.copies("event") for _ in range(100)]


def test_a_seed_is_a_weather() -> None:
    """The same seed treats the same hundred events alike; another seed does not."""
    assert fates(7) == fates(7)
    assert fates(7) != fates(8)


def test_kinds_do_not_disturb_each_other() -> None:
    """How often the API is called changes nothing about the fate of the next event."""
    weather = BadWeather(Forecast(7))
    mixed = []
    for _ in range(100):
        weather.runs_twice()
        mixed.append(weather.copies("event"))

    assert fates(7) == mixed


def test_severity_multiplies_the_chances() -> None:
    """At 0 nothing happens, at 1 a tenth of the events gets lost or so, at 10 all do."""
    calm, usual, worst = (fates(7, severity) for severity in (0.0, 1.0, 10.0))

    assert [(0.0,)] * 100 == calm
    assert 2 <= usual.count(()) <= 25
    assert {0, 1, 2} == {len(copies) for copies in usual}
    assert [()] * 100 == worst


def test_fine_weather_changes_nothing_and_counts_nothing() -> None:
    """It is the default everywhere."""
    killed: list[str] = []
    with FINE.instance(lambda: killed.append("killed")):
        answers = FINE.copies("event"), FINE.call(lambda: "answer"), FINE.task(lambda: "made"), FINE.runs_twice()

    assert ((0.0,), "answer", "made", False) == answers
    assert ([], {}) == (killed, FINE.counts)


def test_every_misfortune_is_counted_and_goes_on_from_earlier_counts(tmp_path: Path) -> None:
    """The file is whole after each one, so that a killed cloud's counts are not lost."""
    data = DataDir(tmp_path)
    data.keep_counts({"event dropped": 2})
    weather = BadWeather(Forecast(1, chances={"event dropped": ALWAYS}), data.counts(), data.keep_counts)

    lost = weather.copies("event")

    assert () == lost
    assert {"event dropped": 3} == weather.counts == json.loads((tmp_path / "weather.json").read_text())
    data.release()


class Uploads:
    """A bucket whose events go to a function that writes them down."""

    def __init__(self, root: Path, weather: BadWeather) -> None:
        self.objects = ObjectStore(root / "objects", SystemClock())
        self.objects.create_bucket("bkt")
        self.functions = FunctionService(root / "f", SystemClock(), Keyring(), FcSettings("1", "r"), print, weather)
        (root / "index.py").write_text("def handler(event, context):\n    open('seen', 'ab').write(event + b'\\n')\n")
        self.functions.deploy(FunctionConfig("f", "index.handler", (root,), timeout=10))
        trigger = ObjectTrigger("f", "t", "bkt", ("oss:ObjectCreated:PutObject",), "", "")
        ObjectTriggers([trigger], self.functions, weather).connect(self.objects)
        self.functions.start()
        self._seen = root / "seen"

    def seen(self) -> list[str]:
        """Return the keys of which the function was told."""
        lines = self._seen.read_bytes().splitlines() if self._seen.exists() else []
        return [json.loads(line)["events"][0]["oss"]["object"]["key"] for line in lines]

    def close(self) -> None:
        """End everything."""
        self.functions.close()
        self.objects.close()


@pytest.fixture
def doubling(tmp_path: Path) -> Iterator[Uploads]:
    """Every event comes twice, the second time later."""
    made = Uploads(tmp_path, sure("event doubled"))
    yield made
    made.close()


def test_an_event_comes_twice(doubling: Uploads) -> None:
    """Each is an event of its own, as in the cloud."""
    doubling.objects.put("bkt", "a", b"x")

    assert eventually(lambda: ["a", "a"] == doubling.seen(), 30)


def test_a_dropped_event_is_never_heard_of(tmp_path: Path) -> None:
    """Nothing is owed to the function."""
    uploads = Uploads(tmp_path, sure("event dropped"))
    uploads.objects.put("bkt", "a", b"x")
    owed = InvocationStore(tmp_path / "f" / "invocations.sqlite")

    assert [] == owed.all()
    assert [] == uploads.seen()
    owed.close()
    uploads.close()


@pytest.mark.parametrize(("kind", "times"), [("dropped", 0), ("doubled", 2), ("delayed", 1)])
def test_a_topics_message_is_lost_or_comes_twice_or_late(tmp_path: Path, kind: str, times: int) -> None:
    """Each subscription has a fate of its own; what is owed later is on disk."""
    weather = sure(f"message {kind}")
    service = MessageService(tmp_path, SystemClock(), account_id="1", region="r", weather=weather)
    heard: list[str] = []

    def note(_subscription: Subscription, published: TopicMessage) -> None:
        heard.append(published.body)

    service.topics.create("t")
    service.topics.subscribe("t", "s", endpoint="http://127.0.0.1:1/")
    service.deliver_to("http://", note)
    service.start()
    service.publish("t", "one")

    assert eventually(lambda: ["one"] * times == heard, 30)
    assert {f"message {kind}": 1} == weather.counts
    assert eventually(lambda: 0 == owed(tmp_path))
    service.close()


def owed(root: Path) -> int:
    """Count the deliveries that are on disk."""
    with closing(sqlite3.connect(root / "messages.sqlite")) as database:
        return int(database.execute("SELECT COUNT(*) FROM deliveries").fetchone()[0])


def bucket_of(environment: Mapping[str, str]) -> oss2.Bucket:
    """Open the bucket of a local cloud."""
    auth = oss2.Auth(environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, environment["OSS_ENDPOINT"], environment["CLIPSTITCH_BUCKET"])


@pytest.mark.parametrize(
    ("kind", "status", "happened"),
    [
        ("call refused", 503, False),
        ("call failed after it happened", 500, True),
        ("call cut off after it happened", oss2.exceptions.OSS_REQUEST_ERROR_STATUS, True),
    ],
)
def test_the_vendors_clients_meet_the_weather(kind: str, status: int, happened: bool) -> None:
    """OSS's and SMQ's own clients report it as they do in the cloud; afterwards the object is there, or is not."""
    cloud = LocalCloud(ROOT, forecast=Forecast(1, chances={kind: ALWAYS}))
    environment = cloud.start().environment()
    keys = environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"]
    queue = Account(environment["MNS_ENDPOINT"], *keys).get_queue(environment["CLIPSTITCH_EVENTS_QUEUE"])

    with pytest.raises(oss2.exceptions.OssError) as caught:
        bucket_of(environment).put_object("a.txt", "hello")
    with pytest.raises((MNSServerException, MNSClientNetworkException)):
        queue.send_message(Message("hello"))

    stored = [found.key for found in cloud.services.objects.page(environment["CLIPSTITCH_BUCKET"]).objects]
    sent = cloud.services.messages.receive(environment["CLIPSTITCH_EVENTS_QUEUE"])
    counted = cloud.weather.counts[kind]
    cloud.stop()
    assert status == caught.value.status
    assert (["a.txt"] if happened else []) == stored
    assert happened == bool(sent)
    assert counted >= 2


def work(key: str) -> TaskSpec:
    """Ask for one clip as FLAC."""
    return TaskSpec((TaskSource("media", "a.wav"),), Encoding("flac", 8000, 1), "media", key, topic="done")


def test_a_task_falters_in_the_words_of_the_vendor(tmp_path: Path) -> None:
    """Both kinds that pass are met; nothing is made."""
    world = AudioWorld(tmp_path, weather=sure("task faltered"))
    world.upload(tone(tmp_path / "a.wav", 400, 0.2, 8000))
    world.tasks.start()

    ended = [world.finished(world.tasks.submit(work(f"{n}.flac"), "proj").task_id) for n in range(8)]
    kept = [found.key for found in world.objects.page("media").objects]
    world.close()

    assert {FAILED} == {task.status for task in ended}
    assert {"InternalError", "Throttling.User"} == {task.code for task in ended}
    assert ["a.wav"] == kept


def test_a_task_that_runs_twice_ends_once_and_is_told_twice(tmp_path: Path) -> None:
    """Both runs put the same bytes; what the task came to stays."""
    world = AudioWorld(tmp_path, weather=sure("task ran twice"))
    world.upload(tone(tmp_path / "a.wav", 400, 0.2, 8000))
    world.tasks.start()

    task_id = world.tasks.submit(work("out.flac"), "proj").task_id
    twice = eventually(lambda: len(world.notices) == 2, 20)
    task = world.tasks.get(task_id)
    world.close()

    assert twice
    assert [task_id] * 2 == [json.loads(json.loads(text)["content"])["TaskId"] for _, text in world.notices]
    assert SUCCEEDED == task.status


def test_an_instance_is_killed_while_it_works(tmp_path: Path) -> None:
    """SIGKILL: no last words, no clearing up."""
    (tmp_path / "index.py").write_text(
        "import time\ndef handler(event, context):\n    time.sleep(30)\n    return 'well'\n"
    )
    weather = sure("instance killed")
    service = FunctionService(tmp_path / "data", SystemClock(), Keyring(), FcSettings("1", "r"), print, weather)
    service.deploy(FunctionConfig("f", "index.handler", (tmp_path,), timeout=60))

    killed = service.invoke("f", b"")
    service.close()

    assert "ProcessExited" == json.loads(killed.payload)["errorType"]
    assert "exit code -9" in json.loads(killed.payload)["errorMessage"]
    assert {"instance killed": 1} == weather.counts


def test_only_what_has_a_name_can_happen() -> None:
    """The kinds that are counted are those that have chances."""
    weather = BadWeather(Forecast(3, severity=10))
    for what in ("event", "message"):
        weather.copies(what)
    weather.runs_twice()

    assert set(CHANCES) >= set(weather.counts)
