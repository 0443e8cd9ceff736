"""The entry points of the functions, called in this process on the local cloud, as Function Compute calls them."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
OTHER_TASK = {"TaskType": "VideoLabelClassification", "TaskId": "VideoLabel-1", "Status": "Succeeded"}


@pytest.fixture
def handler(cloud_environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what calls a function's handler with an event and returns its answer."""
    for name, value in cloud_environment.items():
        monkeypatch.setenv(name, value)

    def call(name: str, event: object) -> Any:
        spec = importlib.util.spec_from_file_location(f"{name}_index", FUNCTIONS / name / "index.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return json.loads(module.handler(json.dumps(event).encode(), None))

    return call


def test_submit_answers_with_the_jobs_of_an_event(handler: Callable[..., Any]) -> None:
    """An event without uploads has none."""
    assert {} == handler("submit", {"events": []})


def test_complete_ignores_the_tasks_of_another_kind(handler: Callable[..., Any]) -> None:
    """Nothing is raised, so the message is not delivered again."""
    assert {} == handler("complete", OTHER_TASK)


def test_sweep_answers_with_a_report(handler: Callable[..., Any]) -> None:
    """The timer's payload does not matter."""
    report = handler("sweep", {"triggerName": "every-five-minutes"})

    assert isinstance(report, dict)
    assert report
