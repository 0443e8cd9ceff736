"""Render a step of a job, in the function `render`: its target, and beside it the report."""

import json
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import InvalidNotification, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_event, log_job
from clipstitch.common.ports import ObjectHeaders
from clipstitch.common.render_task import RenderTask, report_of
from clipstitch.planning.render_spec import RenderReport, RenderSpec, spec_of
from clipstitch.usecases.context import Context


class RenderResult(Protocol):
    """The result of a render step, as a local file."""

    report: RenderReport

    def store(self, target: ObjectRef, content_type: str) -> None:
        """Store the file as an object."""


class Renderer(Protocol):
    """Renders."""

    def render(self, bucket: str, spec: RenderSpec) -> AbstractContextManager[RenderResult]:
        """Render a step whose clips are in a bucket.

        Raises `NotAudio`, `ClipChanged` or `ObjectNotFound`, each of which names the clip, or `RenderFailed`.
        """


def render_step(task: RenderTask, context: Context, renderer: Renderer) -> None:
    """Carry out a render task, unless its target exists: Function Compute may invoke a function twice.

    The report is stored before the target, whose existence proves the success of the step. Raises what `Renderer` does,
    and `InvalidNotification` if the job has no such step.
    """
    with log_job(task.job_id):
        job = context.store.load(task.job_id, planned=True)
        step = next((step for step in job.plan.steps if step.number == task.step), None) if job.plan else None
        if job.plan is None or step is None or not step.render or step.target != task.target:
            raise InvalidNotification(f"{task.id} is no render task of a job")
        if job.closed or job.decision is not None:
            log_event("render-not-needed", task=task.id)
            return
        with suppress(ObjectNotFound):
            context.objects.describe(step.target)
            return
        spec = spec_of(step)
        with renderer.render(job.plan.manifest.ref.bucket, spec) as made:
            body = json.dumps(made.report.as_json()).encode()
            context.objects.write(report_of(step.target), body, ObjectHeaders("application/json"))
            made.store(step.target, FORMATS[spec.encoding.format].content_type)
