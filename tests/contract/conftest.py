"""Every promise about a port is proved on dictionaries and on the local cloud, and on an account when asked to."""

import itertools
from collections.abc import Callable, Iterator, Mapping

import pytest
from mns.account import Account
from mns.queue import QueueMeta

from clipstitch.adapters.memory import MemoryAudioService, MemoryMessageSender, MemoryObjectStore
from clipstitch.adapters.memory import tone as memory_tone
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.usecases.context import Context
from tests.contract.account import Place, borrowed, missing
from tests.sounds import tone
from tests.world import SETTINGS

_NUMBERS = itertools.count()
KINDS = ("memory", "localyun", pytest.param("cloud", marks=pytest.mark.cloud))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the implementation under test."""
    return str(request.param)


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest) -> Place:
    """Say where an implementation keeps things."""
    return request.getfixturevalue(f"{kind}_place")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def memory_place() -> Place:
    """Dictionaries need no variables."""
    return Place({}, "clipstitch", "", "clipstitch-events", "contract")


@pytest.fixture(scope="session")
def localyun_place(cloud_environment: dict[str, str]) -> Place:
    """Use the bucket and the topic that the deployment makes, and a queue of our own."""
    env = cloud_environment
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    account.get_queue("contract").create(QueueMeta())
    return Place(env, "clipstitch", "", "clipstitch-events", "contract")


@pytest.fixture(scope="session")
def cloud_place(account_environment: Mapping[str, str], request: pytest.FixtureRequest) -> Iterator[Place]:
    """Borrow an account; it is opt-in, so whoever opts in without one hears what is missing."""
    if problem := missing(account_environment):
        pytest.skip(f"-m cloud proves the contract on an account, which docs/settings.md says how to name: {problem}")
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    with borrowed(account_environment, terminal.write_line if terminal else print) as place:
        yield place


@pytest.fixture
def cloud(kind: str, place: Place) -> Context:
    """Return the ports of one implementation."""
    if kind == "memory":
        objects = MemoryObjectStore(SystemClock())
        messages = MemoryMessageSender((place.topic,), (place.topic, place.queue))
        return Context(
            objects, MemoryAudioService(objects), messages, SystemClock(), SETTINGS._replace(bucket=place.bucket), set()
        )
    return build_context(place.env)


@pytest.fixture
def ref(place: Place) -> Callable[[str], ObjectRef]:
    """Return a namer of objects that no other test uses."""
    folder = f"{place.prefix}contract-{next(_NUMBERS)}"
    return lambda key: ObjectRef(place.bucket, f"{folder}/{key}")


@pytest.fixture
def audio(kind: str) -> bytes:
    """Return one second of mono audio at 8 kHz, as the implementation knows audio."""
    return memory_tone(1.0, 8000, 1) if kind == "memory" else tone(440, 1000, 8000)
