"""The doctor's own jobs: two tones under the temporary prefix, without sinks. Their manifests, and their cost."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote

from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.common.ports import Probe, TaskOutcome
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context
from clipstitch.usecases.plan_job import plan_for
from clipstitch_cli.costs.estimates import requests_of, size_of
from clipstitch_cli.doctor.live.experiment_runner import TemporaryNames
from clipstitch_cli.doctor.live.experiments import TONES, Spending, key_of
from clipstitch_cli.doctor.live.tones import RATE

LOAD_REQUESTS = 4  # to load a job: its facts and documents
REMOVAL_REQUESTS = 8  # manifest, marker, facts, result, and what is left of them
JOB_COUNT = 5
STARTED_COUNT = 3  # the other two are recorded as if their tasks had been started


class ToneAudioService:
    """The `AudioService` port for planning before the upload: every clip is one of the tones."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Return the lengths of the tones."""
        names = {ref: ref.key.rpartition("/")[2].removesuffix(".wav") for ref in refs}
        return {ref: Probe(TONES[name].milliseconds / 1000, RATE, 1) for ref, name in names.items()}

    def start(self, main: ObjectRef, process: str) -> str:
        """Not implemented: planning starts no task."""
        raise NotImplementedError(f"{main.uri} {process}")

    def task_outcome(self, task_id: str) -> TaskOutcome | None:
        """Not implemented: planning starts no task."""
        raise NotImplementedError(task_id)


class TrialManifest(NamedTuple):
    """A manifest of the doctor: its object, and its content."""

    ref: ObjectRef
    body: bytes

    def plan(self, context: Context) -> Plan:
        """Return the plan of its job, without requests. Raises InvalidManifest if the operator's limits forbid it."""
        manifest = ManifestRef(self.ref, "DOCTOR")
        job_id = job_id_of(manifest, context.clock.now())
        return plan_for(job_id, manifest, self.body, context._replace(audio=ToneAudioService()))


def trial_manifest(name: str, names: TemporaryNames, context: Context, notify: Sequence[str] = ()) -> TrialManifest:
    """Return a manifest that merges two tones to the temporary output prefix; without `notify` it has no sinks."""
    key = f"{context.settings.manifest_prefix}{names.prefix}{name}"
    output = f"{names.outputs}{quote(name, safe='')}.flac"
    clips = [key_of(clip, names.prefix) for clip in ("a", "b")]
    document = {"version": 1, "output": {"key": output}, "clips": clips, "notify": list(notify)}
    return TrialManifest(ObjectRef(names.bucket, key), json.dumps(document).encode())


def spending(names: TemporaryNames, context: Context, waits: Sequence[timedelta]) -> Spending:
    """Return the maximum cost of the jobs, two of which start no task, and of loading them while waiting.

    `waits`: how long to wait for answers, and for a dead-letter message.
    """
    trial = trial_manifest("plain.json", names, context)
    plan = trial.plan(context)
    size = size_of(plan).size
    job = requests_of(plan, 0, size)
    grace_period = timedelta(seconds=context.settings.grace_period_s)
    loads = sum(len(list(pauses(wait))) for wait in (*waits, grace_period, grace_period))
    # A failing function reads facts, plan and object; SMQ doubles the intervals between its attempts.
    retries = 3 * (round(sum(waits, timedelta()).total_seconds()).bit_length() + 1)
    return Spending(
        oss_requests=JOB_COUNT * (job.oss + LOAD_REQUESTS * loads + REMOVAL_REQUESTS) + retries,
        imm_tasks=STARTED_COUNT * len(plan.steps),
        smq_messages=JOB_COUNT * 2 * job.smq + 2,  # one event, delivered to one sink and to what subscribes to it
        stored_bytes=JOB_COUNT * (len(trial.body) + 2 * size),
    )


def pauses(total: timedelta) -> Iterator[float]:
    """Yield growing pauses in seconds whose sum reaches a total.

    >>> [round(pause, 2) for pause in pauses(timedelta(seconds=1))]
    [0.2, 0.3, 0.45, 0.68]
    """
    waited, pause = 0.0, 0.2
    while waited < total.total_seconds():
        yield pause
        waited, pause = waited + pause, min(pause * 1.5, 10.0)
