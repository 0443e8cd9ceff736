"""Run every contract test in memory, on the local cloud and, with `-m cloud`, on a real account."""

import itertools
from collections.abc import Callable, Iterator, Mapping

import pytest
from mns.account import Account
from mns.queue import QueueMeta

from clipstitch.adapters.memory import MemoryAudioService, MemoryMessageSender, MemoryObjectStore, MemoryWebhookSender
from clipstitch.adapters.memory import tone as memory_tone
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.adapters.threads import ThreadWorkers
from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.usecases.context import Context
from tests.contract.account import DEFAULT_PREFIX, Resources, settings_errors, temporary_resources
from tests.sounds import tone
from tests.world import SETTINGS

_NUMBERS = itertools.count()
KINDS = ("memory", "localyun", pytest.param("cloud", marks=pytest.mark.cloud))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of the implementation under test."""
    return str(request.param)


@pytest.fixture
def resources(kind: str, request: pytest.FixtureRequest) -> Resources:
    """Return the resources of the implementation under test."""
    return request.getfixturevalue(f"{kind}_resources")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def memory_resources() -> Resources:
    """Return names without variables; the implementations in memory need none."""
    return Resources({}, "clipstitch", "", "clipstitch-events", "contract")


@pytest.fixture(scope="session")
def localyun_resources(cloud_environment: dict[str, str]) -> Resources:
    """Return the bucket and the topic of the deployment, and a queue created for the tests."""
    env = cloud_environment
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    account.get_queue("contract").create(QueueMeta())
    return Resources(env, "clipstitch", DEFAULT_PREFIX, "clipstitch-events", "contract")


@pytest.fixture(scope="session")
def cloud_resources(account_environment: Mapping[str, str], request: pytest.FixtureRequest) -> Iterator[Resources]:
    """Create temporary resources on the account of the environment; skip with the missing settings if there is none."""
    if errors := settings_errors(account_environment):
        pytest.skip(f"-m cloud runs the contract tests on an account; docs/settings.md lists its variables: {errors}")
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    with temporary_resources(account_environment, terminal.write_line if terminal else print) as resources:
        yield resources


@pytest.fixture
def cloud(kind: str, resources: Resources) -> Context:
    """Return a context with the ports of one implementation."""
    if kind == "memory":
        objects = MemoryObjectStore(SystemClock())
        messages = MemoryMessageSender((resources.topic,), (resources.topic, resources.queue))
        settings = SETTINGS._replace(bucket=resources.bucket)
        webhooks = MemoryWebhookSender()
        return Context(
            objects, MemoryAudioService(objects), messages, webhooks, SystemClock(), settings, set(), ThreadWorkers()
        )
    return build_context(resources.env)


@pytest.fixture
def ref(resources: Resources) -> Callable[[str], ObjectRef]:
    """Return a function that names objects under a prefix of this test."""
    folder = f"{resources.prefix}contract-{next(_NUMBERS)}"
    return lambda key: ObjectRef(resources.bucket, f"{folder}/{key}")


@pytest.fixture
def audio(kind: str) -> bytes:
    """Return one second of mono audio at 8 kHz, in the form that the implementation accepts."""
    return memory_tone(1.0, 8000, 1) if kind == "memory" else tone(440, 1000, 8000)
