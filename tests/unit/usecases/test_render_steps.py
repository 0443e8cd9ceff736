"""Render steps in the use cases: planned, started once for each attempt, reported, published, and rendered."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import CloudBusy, InvalidNotification, InvalidSettings, NotAudio
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders, TaskOutcome, TaskRunning
from clipstitch.common.render_task import RenderTask, report_of
from clipstitch.jobs.job import Job
from clipstitch.planning.render_spec import ClipReport, Joins, RenderReport, RenderSpec, spec_of
from clipstitch.usecases.context import Context
from clipstitch.usecases.render_step import render_step
from tests.world import BUCKET, DOCUMENT, SETTINGS, CallInterceptor, World

WITH_RENDER = SETTINGS._replace(fc_endpoint="http://127.0.0.1:1", render_function="render")
ADAPTIVE = {"bitrate": 96000, "bitrate_option": "adaptive"}
JOINED = {**DOCUMENT, "gap": "1s", "chapters": True, "join": {"trim_silence": {}, "fade": "5ms"}}


class FakeRenders:
    """The function `render` as seen by its caller: remembers tasks; `outcomes` says how they ended."""

    def __init__(self) -> None:
        self.started: list[RenderTask] = []
        self.busy = False
        self.outcomes: dict[str, TaskOutcome | TaskRunning] = {}

    def start(self, task: RenderTask) -> None:
        """Remember a task."""
        if self.busy:
            raise CloudBusy("starting")
        self.started.append(task)

    def outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return the given outcome."""
        return self.outcomes.get(task_id)


class RenderWorld(World):
    """A world with the function `render`."""

    def __init__(self) -> None:
        super().__init__(WITH_RENDER)
        self.renders = FakeRenders()

    def context(self, interceptor: CallInterceptor | None = None) -> Context:
        """Return the context of a new function instance."""
        return super().context(interceptor)._replace(renders=self.renders)

    def finish(self, task: RenderTask, **report: Any) -> None:
        """Store what a task makes: the report and the target."""
        made = {"samples": 3 * 44100, "sample_rate": 44100, "clips": [], **report}
        self.objects.write(report_of(task.target), json.dumps(made).encode(), ObjectHeaders())
        self.objects.write(task.target, tone(3.0), ObjectHeaders())

    def submitted(self, document: Mapping[str, Any] = JOINED) -> tuple[Job, RenderTask]:
        """Submit a manifest; return its job and the task that was started."""
        self.drop(document)
        job = self.submit()
        (task,) = self.renders.started
        return job, task


def record(task: RenderTask, error: str = "", payload: object = "") -> bytes:
    """Return the record that Function Compute sends to a destination."""
    return json.dumps(
        {
            "timestamp": 1,
            "requestContext": {"requestId": "1", "functionArn": "acs:fc:r:a:functions/render", "condition": ""},
            "requestPayload": task.payload().decode(),
            "responseContext": {"statusCode": 200, "functionError": error},
            "responsePayload": json.dumps(payload),
        }
    ).encode()


def clips(*lengths: int, silent: bool = False) -> list[dict[str, Any]]:
    """Return reports of clips end to end, each of the given samples and as long as it was decoded."""
    reports, at = [], 0
    for length in lengths:
        reports.append(ClipReport(at, length, length, silent=silent)._asdict())
        at += length
    return reports


def test_fields_that_need_the_engine_make_one_render_step() -> None:
    """The task names job, step and attempt; the spec has the clips, the gap between them and the joins."""
    world = RenderWorld()
    job, task = world.submitted()
    (step,) = world.load(job).plan.steps  # type: ignore[union-attr]

    assert RenderTask(job.id, 0, 1, step.target) == task == RenderTask.parse(task.payload())
    spec = spec_of(step)
    assert Joins(-50, 60, 5, 0) == spec.joins
    assert ["a.mp3", "", "b.wav"] == [clip.key for clip in spec.clips]
    assert (1000, 500) == (spec.clips[2].start_ms, spec.clips[2].duration_ms)


def test_the_report_gives_chapters_lengths_and_warnings() -> None:
    """A clip that was cut short, and one that is silent, are named; the starts are those of the report."""
    world = RenderWorld()
    job, task = world.submitted()
    reports = clips(44100, 44100, 44100)
    reports[2] |= {"decoded": 4 * 44100, "silent": True, "overlap": 882}
    world.finish(task, clips=reports)
    done = world.complete(record(task))
    event = json.loads(world.objects.read(WITH_RENDER.result_ref(ObjectRef(BUCKET, "manifests/ep1.json"))).body)["data"]

    assert "succeeded" == event["state"]
    assert [("LENGTH_DIFFERS", "a.mp3"), ("CLIP_SILENT", "b.wav")] == [
        (warning["code"], warning["first_clip"]) for warning in event["warnings"]
    ]
    assert [0, 2010] == [clip["starts_at_ms"] for clip in event["clips"] if clip["key"]]
    assert 3000 == event["output"]["duration_ms"]
    assert job.id == done.id


def test_a_damaged_report_is_retried_until_the_deadline() -> None:
    """It is never guessed."""
    world = RenderWorld()
    _, task = world.submitted()
    world.finish(task, clips=clips(1))
    with pytest.raises(Exception, match="no report of a render step"):
        world.complete(record(task))


def test_a_failure_is_the_reason_of_the_job() -> None:
    """The error that the function raised, with its own code."""
    world = RenderWorld()
    _, task = world.submitted()
    payload = {"errorMessage": "NOT_AUDIO: clip `a.mp3`: no audio", "errorType": "RuntimeError"}
    world.renders.outcomes[task.id] = TaskOutcome(False, "NOT_AUDIO", "clip `a.mp3`: no audio")
    done = world.load(world.complete(record(task, "UnhandledInvocationError", payload)))

    assert done.decision is not None
    assert done.decision.error is not None
    assert ("NOT_AUDIO", True) == (done.decision.error.code, "a.mp3" in done.decision.error.message)


def test_a_passing_failure_is_tried_again_with_another_id() -> None:
    """Function Compute refuses a second start of the same attempt; the next attempt is another one."""
    world = RenderWorld()
    job, task = world.submitted()
    payload = {"errorMessage": "RENDER_FAILED: FFmpeg hung", "errorType": "RuntimeError"}
    world.renders.outcomes[task.id] = TaskOutcome(False, "RENDER_FAILED", "FFmpeg hung")
    world.complete(record(task, "UnhandledInvocationError", payload))
    world.sweep(600)
    world.sweep(600)

    assert [task, RenderTask(job.id, 0, 2, task.target)] == world.renders.started


def test_a_task_whose_notification_was_lost_is_found_by_its_target_or_its_state() -> None:
    """The sweep asks Function Compute, as it asks IMM."""
    world = RenderWorld()
    job, task = world.submitted()
    world.renders.outcomes[task.id] = TaskRunning()
    world.sweep(600)
    assert "running" == world.load(job).state
    world.finish(task, clips=clips(88200, 44100, 22050))
    world.sweep(600)

    assert world.load(job).closed


def test_a_busy_function_is_retried_and_a_removed_one_fails_the_job() -> None:
    """The first passes; the second is the operator's to know."""
    world = RenderWorld()
    world.drop(JOINED)
    world.renders.busy = True
    with pytest.raises(CloudBusy):
        world.submit()
    bare = World(WITH_RENDER)
    bare.drop(JOINED)
    job = bare.submit()

    assert job.decision is not None
    assert job.decision.error is not None
    assert InvalidSettings.code == job.decision.error.code
    assert bare.context().renders.outcome("render-x") is None


class FakeRenderer:
    """Renders nothing, or raises an error."""

    def __init__(self, world: World, error: Exception | None = None) -> None:
        self.world, self.error, self.specs = world, error, list[RenderSpec]()
        self.report = RenderReport(44100, 44100, ())

    @contextmanager
    def render(self, bucket: str, spec: RenderSpec) -> Iterator["FakeRenderer"]:
        """Remember a spec."""
        assert BUCKET == bucket
        self.specs.append(spec)
        if self.error:
            raise self.error
        yield self

    def store(self, target: ObjectRef, content_type: str) -> None:
        """Store audio, after the report."""
        assert self.world.objects.read(report_of(target)).body
        self.world.objects.write(target, tone(1.0), ObjectHeaders(content_type))


def test_the_function_stores_report_and_target_and_does_nothing_twice() -> None:
    """Function Compute may invoke it twice; a closed job needs nothing."""
    world = RenderWorld()
    job, task = world.submitted()
    renderer = FakeRenderer(world)
    render_step(task, world.context(), renderer)
    render_step(task, world.context(), renderer)

    assert 1 == len(renderer.specs)
    assert renderer.report == RenderReport.from_json(json.loads(world.objects.read(report_of(task.target)).body))
    world.finish(task, clips=clips(88200, 44100, 22050))
    world.complete(record(task))
    render_step(task, world.context(), renderer)
    assert 1 == len(renderer.specs)
    assert world.load(job).closed


def test_the_function_passes_errors_on_and_refuses_other_tasks() -> None:
    """A task must name a render step of a planned job, and its target."""
    world = RenderWorld()
    _, task = world.submitted()
    with pytest.raises(NotAudio):
        render_step(task, world.context(), FakeRenderer(world, NotAudio("clip `a.mp3`")))
    for other in (task._replace(step=3), task._replace(target=task.target._replace(key="other"))):
        with pytest.raises(InvalidNotification):
            render_step(other, world.context(), FakeRenderer(world))


@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({}, "concat"),
        ({"engine": "render"}, "render"),
        ({"join": {"crossfade": "20ms"}}, "render"),
        ({"clips": ["a.mp3"] * 12}, "render"),
        ({"clips": ["a.mp3"] * 12, "engine": "concat"}, "concat"),
        ({"output": {"key": "episodes/ep1.m4b"}}, "render"),
        ({"clips": [{"key": "a.mp3", "gain": 3}]}, "render"),
        (
            {"output": {"key": "episodes/x.mp3", "bitrate": 96000, "bitrate_option": "adaptive"}, "engine": "render"},
            "render",
        ),
    ],
)
def test_the_engine_is_the_one_that_is_needed(changes: Mapping[str, Any], engine: str) -> None:
    """The OSS action for what it can do in one step, the function for everything else."""
    world = RenderWorld()
    world.drop({**DOCUMENT, **changes})
    plan = world.submit().plan

    assert plan is not None
    assert [engine == "render"] == list({bool(step.render) for step in plan.steps})


@pytest.mark.parametrize("document", [JOINED, {**DOCUMENT, "engine": "render"}])
def test_without_the_function_such_a_manifest_is_rejected(document: Mapping[str, Any]) -> None:
    """Before anything is spent; every field is named."""
    world = World()
    world.drop(document)
    job = world.submit()

    assert job.decision is not None
    assert {"ENGINE_NEEDED"} == {issue.code for issue in job.decision.issues}
