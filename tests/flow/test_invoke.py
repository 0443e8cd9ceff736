"""`retry --invoke` against a running cloud: the deployed functions do the work, called through both SDKs of FC."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from mns.queue import Message
from mns.topic import TopicMeta

from clipstitch.common.credentials import AccessKey, read_access_key
from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.function_compute.clients import Fc2, Fc3, FunctionFailed, Invoker, NoSuchFunction
from localyun.server import LocalCloud
from tests.child_process import Child
from tests.flow.conftest import System
from tests.flow.test_retry import TOPIC, account, retried, until_letters
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
SUBMIT, SWEEP = "clipstitch-submit", "clipstitch-sweep"
WAYS: Mapping[str, tuple[str, ...]] = {"3.0": ("--invoke",), "2.0": ("--invoke", "--service", "clipstitch")}


class Running(NamedTuple):
    """A local cloud, what `clipstitch up` prints for it, and how its functions are called."""

    cloud: LocalCloud
    env: Mapping[str, str]
    way: tuple[str, ...] = ()

    def by(self, way: str) -> "Running":
        """Return the same, called through an API."""
        return self._replace(way=WAYS[way])

    def system(self, folder: str) -> System:
        """Return the system in a folder, one for each way."""
        return System(complete_environment(self.env, None), f"{folder}-{len(self.way)}")

    def invoker(self, key: AccessKey | None = None, endpoint: str = "") -> Invoker:
        """Make the client of the API."""
        where, mine = endpoint or self.env["FC_ENDPOINT"], key or read_access_key(self.env)
        return Fc2(where, mine, "clipstitch") if "--service" in self.way else Fc3(where, mine)

    def runs(self, function: str) -> int:
        """Count how often a function was run."""
        return self.cloud.services.functions.logs(function).count("FC Invoke Start")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run a local cloud of our own, in a hurry: a topic of it will be missing for a while."""
    cloud = LocalCloud(ROOT, hurry=50)
    with cloud as endpoints:
        yield Running(cloud, endpoints.environment())


@pytest.fixture(params=list(WAYS))
def here(running: Running, request: pytest.FixtureRequest) -> Running:
    """Choose an API."""
    return running.by(request.param)


def test_a_manifest_is_submitted_by_the_function(here: Running):
    """Its result is there already, so nothing changes; but the function has run once more."""
    system = here.system("manifest")
    manifest = system.drop("{}")
    job = system.result(manifest)["data"]["job"]
    system.wait_until_closed(job)
    before = here.runs(SUBMIT)
    code, told = retried(here.env, manifest.uri, *here.way)

    assert (exit_codes.REJECTED, {"job": job, "state": "rejected", "closed": True, "owed": []}) == (code, told)
    assert before + 1 == here.runs(SUBMIT)


def test_a_job_that_waits_for_a_clip_is_planned_by_the_function(here: Running):
    """As soon as somebody asks for it, and not only with the next sweep."""
    system = here.system("waiting")
    missing = system.ref("late.wav").key
    manifest = system.drop(system.manifest("out.flac", [missing], wait_for_clips="1h"))
    waiting = retried(here.env, manifest.uri, *here.way)[1]
    system.upload({"late.wav": tone(440, 300)})
    code, told = retried(here.env, waiting["job"], *here.way)

    assert ("waiting", exit_codes.OK) == (waiting["state"], code)
    assert told["state"] != "waiting"
    assert "succeeded" == system.result(manifest)["data"]["state"]


def test_what_function_compute_gave_up_on_comes_back(here: Running):
    """Submit cannot tell that a manifest is rejected, as the topic is missing; it says so, with type and message."""
    system = here.system("dead")
    topic = account(here.env).get_topic(TOPIC)
    topic.delete()
    manifest = system.drop("{}")
    until_letters(here.env, 1)
    in_vain = retried(here.env, "--dead-letters", *here.way)
    topic.create(TopicMeta())
    until_letters(here.env, 1)
    mended = retried(here.env, "--dead-letters", *here.way)

    error = in_vain[1][0]["error"]
    assert (exit_codes.TROUBLE, "FUNCTION_FAILED") == (in_vain[0], error["code"])
    assert error["message"].startswith(f"{SUBMIT} failed: NoSuchTarget: publishing to topic {TOPIC}")
    assert exit_codes.OK == mended[0]
    assert [[True, "rejected"]] == [[job["closed"], job["state"]] for one in mended[1] for job in one["jobs"]]
    assert (exit_codes.OK, []) == retried(here.env, "--dead-letters", *here.way)
    system.wait_until_closed(system.result(manifest)["data"]["job"])


def test_the_sweep_answers_what_it_did(here: Running):
    """As its handler says."""
    assert b'"troubled": []' in here.invoker().invoke(SWEEP, b"{}")


def test_whatever_goes_wrong_is_an_error_of_ours(here: Running):
    """The function's own error, a wrong name, a wrong key."""
    stranger = AccessKey(here.env["OSS_ACCESS_KEY_ID"], "wrong")

    with pytest.raises(FunctionFailed, match=f"^{SUBMIT} failed: BadTrigger: not an OSS trigger's event"):
        here.invoker().invoke(SUBMIT, b"{}")
    with pytest.raises(NoSuchFunction, match=r"^invoking nobody: FunctionNotFound: function 'nobody' does not exist"):
        here.invoker().invoke("nobody", b"{}")
    with pytest.raises(AccessDenied, match=f"^invoking {SWEEP}: Signature\\w+: "):
        here.invoker(stranger).invoke(SWEEP, b"{}")


def test_nobody_at_the_address_is_a_busy_cloud(running: Running):
    """The older SDK tries for half a minute before it says so, so only the newer one is asked here."""
    with pytest.raises(CloudBusy, match="invoking clipstitch-sweep"):
        running.by("3.0").invoker(endpoint="http://127.0.0.1:1").invoke(SWEEP, b"{}")


def test_the_command_says_only_what_it_means(here: Running, tmp_path: Path):
    """The older SDK would log the request's headers, and with them its signature."""
    system = here.system("quiet")
    letter = '{"requestContext": {"functionArn": "acs:fc:r:1:functions/clipstitch-submit"}, "requestPayload": "{}"}'
    queue = account(here.env).get_queue("clipstitch-dead-letters")
    queue.set_encoding(False)
    queue.send_message(Message(letter))
    arguments = ["retry", "--dead-letters", *here.way]
    with Child(
        Path(sys.executable).with_name("clipstitch"), {**system.environment, "COLUMNS": "200"}, tmp_path, arguments
    ) as child:
        code = child.wait()
    received = queue.receive_message(5)
    queue.delete_message(received.receipt_handle)

    assert (exit_codes.TROUBLE, "") == (code, child.log)
    assert 1 == len(child.output_lines)
    assert "stays: clipstitch-submit failed: BadTrigger: not an OSS trigger's event" in child.output_lines[0]
