"""Serverless Devs, the vendor's deployment tool, deploys this project into an empty local cloud.

Where S_COMPONENTS names a folder with its components, the tool itself runs. Everywhere, the calls that it made are sent
again, with their chunked bodies and signatures of the vendor's libraries; `record_calls` recorded them.
"""

import http.client
import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import oss2
import pytest
from alibabacloud_fc20230330 import models
from alibabacloud_fc20230330.client import Client as FcClient

from clipstitch.common.credentials import AccessKey
from clipstitch_cli.openapi import client_config
from localyun.server import Endpoints, LocalCloud
from tests.deploy import serverless_devs
from tests.deploy.conftest import run_build
from tests.deploy.flow import bucket_of, run_job
from tests.deploy.recorded_calls import Answer, Call, Replay, Target, load
from tests.deploy.serverless_devs import COMPONENTS, Account, ServerlessDevs, commands
from tests.deploy.tools import SERVERLESS, require

TIMES = {"createdTime", "lastModifiedTime"}
PROJECT_FUNCTIONS = ["clipstitch-complete", "clipstitch-submit", "clipstitch-sweep"]
IN_BETWEEN = ("info", "invoke", "plan", "plan of a change", "deploy again")
State = dict[str, Any]


class Deployer(Protocol):
    """Runs the commands of the tool by name; returns what each wrote."""

    def run(self, command: str) -> str:
        """Run a command, by its name in `commands`."""


class Tool:
    """The tool itself."""

    def __init__(self, folder: Path, endpoints: Endpoints) -> None:
        self._tool = tool_for(folder, endpoints)
        self._commands = commands(self._tool)

    def run(self, command: str) -> str:
        """Run a command to its end."""
        run = self._tool.run(*self._commands[command]())
        assert run.code == 0, run.output
        return run.output


def tool_for(folder: Path, endpoints: Endpoints) -> ServerlessDevs:
    """Return the tool for a local cloud; skip the test if this machine lacks the tool or its components."""
    if not COMPONENTS:
        pytest.skip("S_COMPONENTS names no folder with the tool's components")
    require(SERVERLESS, "Serverless Devs")
    key, ros = endpoints.credential, endpoints.ros_tls.rpartition("/")[2]
    account = Account(endpoints.deployment.account_id, key.access_key_id, key.access_key_secret)
    addresses = serverless_devs.Endpoints(ros, endpoints.fc, endpoints.oss, endpoints.certificate)
    return ServerlessDevs(folder, account, addresses)


class Recording:
    """The recorded calls; `answers` has all of them with what was answered now."""

    def __init__(self, folder: Path, endpoints: Endpoints) -> None:
        hosts = {"ros": endpoints.ros_tls, "fc": endpoints.fc, "oss": endpoints.oss}
        hosts = {name: url.rpartition("/")[2] for name, url in hosts.items()}
        tls = ssl.create_default_context(cafile=endpoints.certificate)

        def connect(service: str) -> http.client.HTTPConnection:
            if service == "ros":
                return http.client.HTTPSConnection(hosts[service], context=tls)
            return http.client.HTTPConnection(hosts[service])

        built = run_build("--out", str(folder))
        assert built.returncode == 0, built.stderr
        packages = {path.stem: path.read_bytes() for path in folder.glob("*.zip")}
        key = endpoints.credential
        self._replay = Replay(Target(hosts, key.access_key_id, key.access_key_secret, connect), packages)
        self._calls = load()
        self.answers: list[tuple[Call, Answer]] = []

    def run(self, command: str) -> str:
        """Send the calls of a command; there is no output."""
        calls = self._calls[command]
        self.answers += zip(calls, self._replay.send(calls), strict=True)
        return ""


class Life(NamedTuple):
    """The life of a deployment: what was observed after each command."""

    deployer: Deployer
    outputs: dict[str, str]
    event: dict[str, Any]
    deployed: State
    deployed_again: State
    removed: State
    audio: bytes


@pytest.fixture(scope="module", params=["calls", "tool"])
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Deploy, run a job, show, invoke, plan, deploy again and remove."""
    folder = tmp_path_factory.mktemp("deployment")
    with LocalCloud(None, data=folder / "data", time_scale=10) as endpoints:
        make: Callable[[Path, Endpoints], Deployer] = Tool if request.param == "tool" else Recording
        deployer = make(folder / "deployer", endpoints)
        outputs = {"deploy": deployer.run("deploy")}
        event = run_job(endpoints)
        deployed = state_of(endpoints)
        outputs |= {command: deployer.run(command) for command in IN_BETWEEN}
        deployed_again = state_of(endpoints)
        outputs["remove"] = deployer.run("remove")
        audio = bucket_of(endpoints).get_object("merged/example.aac").read()
        yield Life(deployer, outputs, event, deployed, deployed_again, state_of(endpoints), audio)


def state_of(endpoints: Endpoints) -> State:
    """Return every function with its triggers and retry rules, and every object, read with the vendor's SDKs.

    The object with the progress of sweeps is left out: a sweep may have run meanwhile.
    """
    key = endpoints.credential
    client = FcClient(client_config(endpoints.fc, AccessKey(key.access_key_id, key.access_key_secret)))
    functions = client.list_functions(models.ListFunctionsRequest()).body.functions or []
    names = sorted(function.function_name for function in functions if function.function_name in PROJECT_FUNCTIONS)
    keys = [found.key for found in oss2.ObjectIteratorV2(bucket_of(endpoints))]
    by_name = {function.function_name: without_times(function.to_map()) for function in functions}
    return {
        "functions": {name: by_name[name] for name in names},
        "triggers": {name: triggers_of(client, name) for name in names},
        "retries": {name: retries_of(client, name) for name in names},
        "objects": [key for key in keys if key != "_clipstitch/sweep.json"],
    }


def triggers_of(client: FcClient, function: str) -> list[dict[str, Any]]:
    """Return the triggers of a function."""
    triggers = client.list_triggers(function, models.ListTriggersRequest()).body.triggers
    return [without_times(trigger.to_map()) for trigger in triggers]


def retries_of(client: FcClient, function: str) -> dict[str, Any]:
    """Return the retry rules of a function."""
    request = models.GetAsyncInvokeConfigRequest(qualifier="LATEST")
    return without_times(client.get_async_invoke_config(function, request).body.to_map())


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the times of creation and of the last change."""
    return {name: value for name, value in document.items() if name not in TIMES}


def test_every_call_gets_the_answer_that_the_tool_had(life: Life) -> None:
    """A call with another status would have made the tool do something else."""
    if not isinstance(life.deployer, Recording):
        pytest.skip("the tool checks the answers itself")
    different = [
        f"{call.method} {call.target} {call.headers.get('x-acs-action', '')}: {answer}, not {call.status}"
        for call, answer in life.deployer.answers
        if answer.status != call.status
    ]

    assert [] == different
    assert {"ros", "fc", "oss"} == {call.service for call, _ in life.deployer.answers}


def test_a_deployed_project_merges_audio(life: Life) -> None:
    """The triggers, roles, topics and the attachment of the deployment work together."""
    assert "clipstitch.job.succeeded" == life.event["type"], life.event
    assert PROJECT_FUNCTIONS == list(life.deployed["functions"])
    assert [1, 6, 1] == [len(triggers) for triggers in life.deployed["triggers"].values()]


def test_a_second_deployment_changes_nothing(life: Life) -> None:
    """The code is not uploaded again, and functions, triggers, retry rules and objects are the same."""
    assert life.deployed == life.deployed_again
    if isinstance(life.deployer, Recording):
        uploads = [call for call, _ in life.deployer.answers if call.service == "oss"]
        assert 3 == len(uploads)


def test_info_and_invoke_work(life: Life) -> None:
    """`s info` names every function; `s invoke` shows the sweep's answer and the headers about it."""
    if not isinstance(life.deployer, Tool):
        pytest.skip("recorded calls have no output")

    assert all(f"functionName:          {name}" in life.outputs["info"] for name in PROJECT_FUNCTIONS)
    assert '"failed": []' in life.outputs["invoke"]
    assert "undefined" not in life.outputs["invoke"]


def test_a_plan_shows_changes_only(life: Life) -> None:
    """Nothing after a deployment; then the one setting that was changed, which two functions have."""
    if not isinstance(life.deployer, Tool):
        pytest.skip("recorded calls have no output")

    assert all(f"functionName: {name}" in life.outputs["plan"] for name in PROJECT_FUNCTIONS)
    assert [] == differences(life.outputs["plan"])
    assert ["~ timeout: 60 => 61"] * 2 == differences(life.outputs["plan of a change"])


def differences(plan: str) -> list[str]:
    """Return the lines of a plan that are marked as changed, added or removed; items of lists have a dash, too."""
    lines = [line.strip() for line in plan.splitlines()]
    return [line for line in lines if re.match(r"[~+] |- [\w.]+: ", line)]


def test_removal_leaves_the_audio(life: Life) -> None:
    """The functions are gone; the bucket is retained with everything in it."""
    assert {} == life.removed["functions"]
    assert life.deployed_again["objects"] == life.removed["objects"]
    assert b"\xff\xf1" == life.audio[:2]


def test_a_failed_deployment_is_repeated_as_the_page_says(tmp_path: Path) -> None:
    """The stack is removed, and the next deployment takes the bucket that is left; a later one changes settings."""
    data = tmp_path / "data"
    with LocalCloud(None, data=data, time_scale=10, fail_resource="Attach") as endpoints:
        failed = tool_for(tmp_path / "first", endpoints).run("deploy", "-y")
    with LocalCloud(None, data=data, time_scale=10) as endpoints:
        tool = tool_for(tmp_path / "second", endpoints)
        refused = tool.run("deploy", "-y")
        removed = tool.run("infra", "remove", "-y")
        repeated = tool.run("deploy", "-y", CLIPSTITCH_NEW_BUCKET="false")
        event = run_job(endpoints)
        changes = {"CLIPSTITCH_ALARM_POLICY": "on-call", "CLIPSTITCH_GRACE_PERIOD_S": "77"}
        changed = tool.run("deploy", "-y", CLIPSTITCH_NEW_BUCKET="false", **changes)
        functions = state_of(endpoints)["functions"].values()

    assert failed.code != 0
    assert "Resource CREATE failed: Attach" in failed.output
    assert refused.code != 0
    assert "Updating a stack in the status CREATE_ROLLBACK_COMPLETE" in refused.output
    assert [0, 0, 0] == [removed.code, repeated.code, changed.code], repeated.output
    assert "clipstitch.job.succeeded" == event["type"], event
    assert "status=UPDATE_COMPLETE" in changed.output
    assert ["77"] * 3 == [function["environmentVariables"]["CLIPSTITCH_GRACE_PERIOD_S"] for function in functions]
