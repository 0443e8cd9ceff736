"""Every promise about a port is proved on dictionaries and on the local cloud, by one suite."""

import itertools
from collections.abc import Callable

import pytest

from clipstitch.adapters.memory import MemoryAudio, MemoryMessages, MemoryObjects
from clipstitch.adapters.memory import tone as memory_tone
from clipstitch.clock import SystemClock
from clipstitch.cloud import Cloud
from clipstitch.refs import ObjectRef
from clipstitch.wiring import wire
from tests.sounds import tone
from tests.world import SETTINGS

_NUMBERS = itertools.count()
KINDS = ("memory", "localyun")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the implementation under test."""
    return str(request.param)


@pytest.fixture
def cloud(kind: str, request: pytest.FixtureRequest) -> Cloud:
    """Return the ports of one implementation."""
    if kind == "memory":
        objects = MemoryObjects(SystemClock())
        messages = MemoryMessages(("clipstitch-events",), ("clipstitch-events", "contract"))
        return Cloud(
            objects, MemoryAudio(objects), messages, SystemClock(), SETTINGS._replace(bucket="clipstitch"), set()
        )
    return wire(request.getfixturevalue("cloud_environment"))


@pytest.fixture
def ref() -> Callable[[str], ObjectRef]:
    """Return a namer of objects that no other test uses."""
    folder = f"contract-{next(_NUMBERS)}"
    return lambda key: ObjectRef("clipstitch", f"{folder}/{key}")


@pytest.fixture
def audio(kind: str) -> bytes:
    """Return one second of mono audio at 8 kHz, as the implementation knows audio."""
    return memory_tone(1.0, 8000, 1) if kind == "memory" else tone(440, 1000, 8000)
