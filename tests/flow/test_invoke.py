"""`retry --invoke` against a running cloud: the deployed functions do the work, invoked through both SDKs of FC."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from mns.queue import Message

from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.function_compute.clients import (
    Fc2Invoker,
    Fc3Invoker,
    FunctionNotFound,
    FunctionReturnedError,
    Invoker,
)
from localyun.server import LocalCloud
from tests.child_process import Child
from tests.flow.conftest import System
from tests.flow.test_retry import account, retried, unreadable_manifests, until_dead_letters
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
SUBMIT, SWEEP = "clipstitch-submit", "clipstitch-sweep"
WAYS: Mapping[str, tuple[str, ...]] = {"3.0": ("--invoke",), "2.0": ("--invoke", "--service", "clipstitch")}


class RunningCloud(NamedTuple):
    """A local cloud, the variables that `clipstitch up` prints for it, and the options that choose the API."""

    local_cloud: LocalCloud
    env: Mapping[str, str]
    way: tuple[str, ...] = ()

    def by(self, way: str) -> "RunningCloud":
        """Return the same cloud, invoked through an API."""
        return self._replace(way=WAYS[way])

    def system(self, folder: str) -> System:
        """Return the system with a folder for each API."""
        return System(complete_environment(self.env, None), f"{folder}-{len(self.way)}")

    def invoker(self, key: AccessKey | None = None, endpoint: str = "") -> Invoker:
        """Return the client of the API."""
        address, used = endpoint or self.env["FC_ENDPOINT"], key or read_access_key(self.env)
        return Fc2Invoker(address, used, "clipstitch") if "--service" in self.way else Fc3Invoker(address, used)

    def runs(self, function: str) -> int:
        """Return how often a function ran."""
        return self.local_cloud.services.functions.logs(function).count("FC Invoke Start")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningCloud]:
    """Run a local cloud with short delays, because its functions lack a right for a while."""
    local_cloud = LocalCloud(ROOT, time_scale=50)
    with local_cloud as endpoints:
        yield RunningCloud(local_cloud, endpoints.environment())


@pytest.fixture(params=list(WAYS))
def cloud(running: RunningCloud, request: pytest.FixtureRequest) -> RunningCloud:
    """Choose an API."""
    return running.by(request.param)


def test_a_manifest_is_submitted_by_the_function(cloud: RunningCloud) -> None:
    """Its result exists already, so nothing changes; but the function has run once more."""
    system = cloud.system("manifest")
    manifest = system.drop("{}")
    job = system.result(manifest)["data"]["job"]
    system.wait_until_closed(job)
    before = cloud.runs(SUBMIT)
    code, output = retried(cloud.env, manifest.uri, *cloud.way)

    assert (exit_codes.REJECTED, {"job": job, "state": "rejected", "closed": True, "pending": []}) == (code, output)
    assert before + 1 == cloud.runs(SUBMIT)


def test_a_job_that_waits_for_a_clip_is_planned_by_the_function(cloud: RunningCloud) -> None:
    """On request, not only with the next sweep."""
    system = cloud.system("waiting")
    missing = system.ref("late.wav").key
    manifest = system.drop(system.manifest("out.flac", [missing], wait_for_clips="1h"))
    waiting = retried(cloud.env, manifest.uri, *cloud.way)[1]
    system.upload({"late.wav": tone(440, 300)})
    code, output = retried(cloud.env, waiting["job"], *cloud.way)

    assert ("waiting", exit_codes.OK) == (waiting["state"], code)
    assert output["state"] != "waiting"
    assert "succeeded" == system.result(manifest)["data"]["state"]


def test_dead_letter_messages_are_retried_by_the_function(cloud: RunningCloud) -> None:
    """Submit lacks the right to read the manifest, at first also when it is retried; the error has type and message."""
    system = cloud.system("dead")
    with unreadable_manifests(cloud.local_cloud):
        manifest = system.drop("{}")
        until_dead_letters(cloud.env, 1)
        failed = retried(cloud.env, "--dead-letters", *cloud.way)
    until_dead_letters(cloud.env, 1)
    repeated = retried(cloud.env, "--dead-letters", *cloud.way)

    error = failed[1][0]["error"]
    assert (exit_codes.ERROR, "FUNCTION_FAILED") == (failed[0], error["code"])
    assert error["message"].startswith(f"{SUBMIT} failed: AccessDenied: reading {manifest.uri}")
    assert exit_codes.OK == repeated[0]
    assert [[True, "rejected"]] == [[job["closed"], job["state"]] for one in repeated[1] for job in one["jobs"]]
    assert (exit_codes.OK, []) == retried(cloud.env, "--dead-letters", *cloud.way)
    system.wait_until_closed(system.result(manifest)["data"]["job"])


def test_the_sweep_answers_with_its_report(cloud: RunningCloud) -> None:
    """As its handler returns it."""
    assert b'"failed": []' in cloud.invoker().invoke(SWEEP, b"{}")


def test_errors_are_translated(cloud: RunningCloud) -> None:
    """The function's own error, a wrong name, a wrong key."""
    wrong_key = AccessKey(cloud.env["OSS_ACCESS_KEY_ID"], "wrong")

    with pytest.raises(
        FunctionReturnedError, match=f"^{SUBMIT} failed: InvalidTriggerEvent: not an OSS trigger's event"
    ):
        cloud.invoker().invoke(SUBMIT, b"{}")
    with pytest.raises(
        FunctionNotFound, match=r"^invoking unknown: FunctionNotFound: function 'unknown' does not exist"
    ):
        cloud.invoker().invoke("unknown", b"{}")
    with pytest.raises(AccessDenied, match=f"^invoking {SWEEP}: Signature\\w+: "):
        cloud.invoker(wrong_key).invoke(SWEEP, b"{}")


def test_an_endpoint_without_a_server_is_a_busy_cloud(running: RunningCloud) -> None:
    """The older SDK retries for half a minute, so only the newer one is tested."""
    with pytest.raises(CloudBusy, match="invoking clipstitch-sweep"):
        running.by("3.0").invoker(endpoint="http://127.0.0.1:1").invoke(SWEEP, b"{}")


def test_the_command_writes_nothing_else(cloud: RunningCloud, tmp_path: Path) -> None:
    """The older SDK would log the request's headers, including its signature."""
    system = cloud.system("quiet")
    body = '{"requestContext": {"functionArn": "acs:fc:r:1:functions/clipstitch-submit"}, "requestPayload": "{}"}'
    queue = account(cloud.env).get_queue("clipstitch-dead-letters")
    queue.set_encoding(False)
    queue.send_message(Message(body))
    arguments = ["retry", "--dead-letters", *cloud.way]
    with Child(
        Path(sys.executable).with_name("clipstitch"), {**system.environment, "COLUMNS": "200"}, tmp_path, arguments
    ) as child:
        code = child.wait()
    received = queue.receive_message(5)
    queue.delete_message(received.receipt_handle)

    assert (exit_codes.ERROR, f"remedy: {FunctionReturnedError.remedy}\n") == (code, child.log)
    assert 1 == len(child.output_lines)
    assert (
        "not retried: clipstitch-submit failed: InvalidTriggerEvent: not an OSS trigger's event"
        in child.output_lines[0]
    )
