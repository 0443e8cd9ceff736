"""The render engine in the deployed system: from an upload to the event, through a real asynchronous task."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from localyun.server import LocalCloud
from tests.conftest import ROOT, product_environment
from tests.flow.conftest import System
from tests.sounds import pcm, tone, wav

RENDER = "clipstitch-render"
_OUTPUT = "${resources.infra.output"
TOPIC = f"acs:mns:${{vars.region}}:{_OUTPUT}.AccountId}}:/topics/{_OUTPUT}.CompletionTopicName}}/messages"
RATE = 44100


def with_render(folder: Path) -> Path:
    """Return a project like that of this checkout, with the function `render` and the rights that it needs."""
    for name in ("functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    project = yaml.safe_load((ROOT / "s.yaml").read_text("utf-8"))
    project["template"]["function"]["environmentVariables"]["CLIPSTITCH_RENDER_FUNCTION"] = RENDER
    project["resources"]["render"] = {
        "component": "fc3",
        "extend": {"name": "function"},
        "props": {
            "functionName": RENDER,
            "code": "./build/render",
            "memorySize": 1024,
            "timeout": 600,
            "asyncInvokeConfig": {
                "asyncTask": True,
                "maxAsyncRetryAttempts": 0,
                "destinationConfig": {"onSuccess": {"destination": TOPIC}, "onFailure": {"destination": TOPIC}},
            },
        },
    }
    (folder / "s.yaml").write_text(yaml.safe_dump(project), "utf-8")
    template = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))
    policy = template["Resources"]["FunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    topic = "acs:mns:*:${ALIYUN::TenantId}:/topics/${CompletionTopic.TopicName}/messages"
    function = "acs:fc:*:${ALIYUN::TenantId}:functions/${Prefix}-render*"
    policy["Statement"] += [
        {"Effect": "Allow", "Action": ["mns:PublishMessage"], "Resource": {"Fn::Sub": topic}},
        {"Effect": "Allow", "Action": ["fc:InvokeFunction"], "Resource": {"Fn::Sub": function}},
        {"Effect": "Allow", "Action": ["fc:GetAsyncTask"], "Resource": "*"},  # FC 3.0, GetAsyncTask, 2026-01-19
    ]
    (folder / "template.yml").write_text(yaml.safe_dump(template), "utf-8")
    return folder


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run the local cloud with the function `render`."""
    with LocalCloud(with_render(tmp_path_factory.mktemp("project"))) as endpoints:
        environment = product_environment(endpoints)
        yield System(environment, "render")


def spoken(hertz: float, lead_ms: int, tail_ms: int) -> bytes:
    """Return half a second of tone with silence around it, as generated speech has."""
    lead, tail = (np.zeros(RATE * length // 1000, np.int16) for length in (lead_ms, tail_ms))
    return wav(np.concatenate([lead, np.frombuffer(tone(hertz, 500)[44:], np.int16), tail]), RATE)


def rendered(system: System, target: str, clips: dict[str, bytes], **fields: Any) -> dict[str, Any]:
    """Upload clips, drop a manifest of them, and return the data of the event."""
    keys = system.upload({f"{target}/{name}": body for name, body in clips.items()})
    manifest = system.drop(system.manifest(target, keys, **fields), f"{target}.json")
    return system.result(manifest, seconds=60)["data"]  # type: ignore[no-any-return]


def test_silence_is_trimmed_and_the_chapters_are_exact(system: System) -> None:
    """Each clip keeps 60 ms of silence at either edge; the pause between two is that, and the gap."""
    clips = {f"{number}.wav": spoken(300 + 100 * number, 100 + 37 * number, 400) for number in range(5)}
    join = {"trim_silence": {"threshold": -50, "keep": "60ms"}}
    data = rendered(system, "speech.wav", clips, join=join, gap="300ms", chapters=True)
    heard = pcm(system.body("speech.wav"), RATE)
    starts = [clip["starts_at_ms"] for clip in data["clips"] if clip["key"]]

    assert ("succeeded", []) == (data["state"], data["warnings"])
    assert starts == pytest.approx([number * (500 + 120 + 300) for number in range(5)], abs=2)
    assert data["output"]["duration_ms"] == pytest.approx(len(heard) / RATE * 1000, abs=1)


def test_many_clips_are_one_step_and_a_format_that_only_it_has(system: System) -> None:
    """Twenty clips to an audiobook: one task, no intermediate objects, the exact length."""
    clips = {f"{number:02d}.wav": tone(200 + 20 * number, 250) for number in range(20)}
    data = rendered(system, "book.m4b", clips)

    assert "succeeded" == data["state"]
    assert data["output"]["duration_ms"] == pytest.approx(5000, abs=1)
    assert b"M4B " == system.body("book.m4b")[8:12]


def test_a_field_that_needs_the_engine_is_an_issue_where_it_is_excluded(system: System) -> None:
    """Nothing is started."""
    data = rendered(system, "concat.m4a", {"a.wav": tone(300, 500)}, engine="concat", join={"fade": "5ms"})

    assert "rejected" == data["state"]
    assert [("ENGINE_NEEDED", "/join"), ("ENGINE_NEEDED", "/output/key")] == [
        (issue["code"], issue["path"]) for issue in data["issues"]
    ]
