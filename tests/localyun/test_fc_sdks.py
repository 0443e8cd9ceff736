"""The vendor's clients for Go and Node manage functions; the Python client is in `test_fc_management` and its like.

The Go client is the one for any OpenAPI: the module that is generated for Function Compute adds typed methods to it.
"""

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import tools
from tests.flow.reference_toolchains import run_go, run_node
from tests.localyun.fc_world import RECORDER, FcWorld, running_fc_world

SDK = Path(__file__).parent / "sdk"
PRINTED = """\
created: f acs:fc:cn-hangzhou:1234567890123456:functions/f Active Successful
from OSS: true
published: 1 one
updated: python3.10 index.handler 7 second
listed: f,g true
alias: prod 1 1 1
invoked: second LATEST first 1
accepted: 202
uploaded: 200
trigger: oss new true 1
async: 2 acs:fc:cn-hangzhou:1234567890123456:functions/f/prod 1 AsyncConfigNotExists
concurrency: 0 ResourceThrottled OnDemandConfigNotFound
code: true true
deleted: FunctionNotEmpty TriggerNotFound AliasNotFound VersionNotFound FunctionNotFound
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FcWorld]:
    """Run a local cloud without functions, with a code package in its bucket."""
    with running_fc_world(tmp_path) as world:
        world.bucket.put_object("code.zip", package())
        yield world


def package() -> bytes:
    """Return the code package that both functions run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", RECORDER)
    return buffer.getvalue()


def variables(world: FcWorld) -> dict[str, str]:
    """Return what the programs read from their environment."""
    return {
        "FC_ENDPOINT": world.fc_url,
        "OSS_ACCESS_KEY_ID": world.key.access_key_id,
        "OSS_ACCESS_KEY_SECRET": world.key.access_key_secret,
        "UPLOAD_URL": world.bucket.sign_url("PUT", "in/a", 600, slash_safe=True),
        "ZIP": base64.b64encode(package()).decode(),
        "OUT": str(world.out),
    }


def recorded(world: FcWorld) -> list[str]:
    """Wait until the two synchronous, the asynchronous and the triggered invocation have been recorded."""
    return sorted(" ".join(line.split()[:2]).partition(":")[0] for line in world.lines(4))


def test_the_node_client_manages_functions(world: FcWorld, tmp_path: Path) -> None:
    """Every answer is checked; the asynchronous invocation and the event of the trigger run their versions."""
    tools.require(tools.FC_CLIENT, "the FC client for Node")
    printed = run_node(SDK / "functions.js", tmp_path, variables(world), tools.FC_CLIENT.parent.parent)

    assert PRINTED == printed
    assert ["first async", "first sync", "second sync", 'second {"events"'] == recorded(world)


def test_the_go_client_manages_functions(world: FcWorld, tmp_path: Path) -> None:
    """The same calls and answers as with the Node client."""
    printed = run_go((SDK / "functions.go").read_text("utf-8"), tmp_path, variables(world), SDK)

    assert PRINTED == printed
    assert ["first async", "first sync", "second sync", 'second {"events"'] == recorded(world)
