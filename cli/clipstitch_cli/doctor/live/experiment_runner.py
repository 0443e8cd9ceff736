"""Runs experiments in a real cloud with temporary resources: a key prefix, and a bucket without an IMM project."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from clipstitch.adapters.oss import OssBuckets, describe_error, is_custom_domain
from clipstitch.adapters.oss2_import import oss2
from clipstitch.common.cloud_errors import IMM_CODE, is_transient
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders, TaskOutcome, TaskRunning
from clipstitch.manifest.model import STATE_PREFIX
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch_cli.display.decoded_audio import decode
from clipstitch_cli.doctor.findings import result_of
from clipstitch_cli.doctor.live import experiments
from clipstitch_cli.doctor.live.cleanup import CleanupStack, delete_prefix
from clipstitch_cli.doctor.live.completion_listener import POLL_S, CompletionListener
from clipstitch_cli.doctor.live.experiments import Experiment, Observation, RejectedRequest, key_of
from clipstitch_cli.doctor.live.tones import RATE, detect

TaskDefinition = Callable[[str], dict[str, Any]]


class TemporaryNames(NamedTuple):
    """Names of temporary resources. `unbound`: a bucket without an IMM project; `new`: it is created and removed.

    IMM's role may write below `work_prefix` only, and the functions' role outputs below `output_prefix`.
    """

    stamp: str
    bucket: str
    unbound: str
    new: bool
    work_prefix: str = STATE_PREFIX + WORK
    output_prefix: str = ""

    @property
    def prefix(self) -> str:
        """The prefix of clips, and of what follows other prefixes."""
        return f"doctor-{self.stamp}/"

    @property
    def targets(self) -> str:
        """The prefix of what IMM writes for the experiments."""
        return self.work_prefix + self.prefix

    @property
    def outputs(self) -> str:
        """The prefix of what the functions publish."""
        return self.output_prefix + self.prefix

    @property
    def prefixes(self) -> tuple[str, ...]:
        """All prefixes of temporary objects, each once."""
        return tuple(dict.fromkeys((self.prefix, self.targets, self.outputs)))

    @property
    def queue(self) -> str:
        """The queue, and its subscription."""
        return f"doctor-{self.stamp}"

    def bucket_for(self, where: str) -> str:
        """Return the bucket of an experiment."""
        return self.bucket if where == experiments.HOME else self.unbound


class ExperimentRunner:
    """Runs experiments; `requests` counts the requests to OSS."""

    def __init__(self, names: TemporaryNames, context: Context, key: AccessKey, cleanup: CleanupStack) -> None:
        self._names, self._context, self._cleanup = names, context, cleanup
        self._bucket = OssBuckets(context.settings.oss_endpoint, context.settings.oss_region, key)
        self._upload_errors: dict[tuple[str, str], str] = {}
        self.requests = 0

    def run(self, listener: CompletionListener, definition: TaskDefinition, wait: timedelta) -> dict[str, Observation]:
        """Run all experiments at once; an error in one does not stop the others."""
        listener.open(self._cleanup)
        for where in (experiments.HOME, experiments.UNBOUND):
            self._upload(where)
        seen = {experiment.name: self._start(experiment) for experiment in experiments.EXPERIMENTS}
        seen = self._receive(seen, listener, wait)
        known = {name: one._replace(definition=definition(one.task)) if one.task else one for name, one in seen.items()}
        return {one.name: self._decode(one, known[one.name]) for one in experiments.EXPERIMENTS}

    def _upload(self, where: str) -> None:
        """Upload the clips; create the bucket if it is a new one."""
        name, prefix, bucket_error = self._names.bucket_for(where), self._names.prefix, ""
        clips = experiments.objects_of(experiments.EXPERIMENTS, where)
        if where != experiments.HOME and is_custom_domain(self._context.settings.oss_endpoint):
            reason = f"OSS_ENDPOINT is a domain of bucket {self._names.bucket}, and reaches no other"
            self._upload_errors.update({(where, clip): reason for clip in clips})
            return
        if where != experiments.HOME and self._names.new:
            self._cleanup.add(f"bucket {name}", partial(self._call, self._bucket(name).delete_bucket))
            bucket_error = _error_of(partial(self._call, self._bucket(name).create_bucket))
        self._cleanup.add(f"oss://{name}/{prefix}", partial(self._clear, name))
        for clip, body in clips.items():
            self.requests += 1
            write = partial(self._context.objects.write, ObjectRef(name, key_of(clip, prefix)), body, ObjectHeaders())
            if error := bucket_error or _error_of(write):
                self._upload_errors[where, clip] = error

    def _clear(self, bucket: str) -> None:
        self.requests += len(self._names.prefixes) * (experiments.LISTING_REQUESTS + experiments.DELETION_REQUESTS)
        for prefix in self._names.prefixes:
            delete_prefix(bucket, prefix, self._context.objects)

    def _start(self, experiment: Experiment) -> Observation:
        """Post a request."""
        for clip in {*experiment.clips} - {experiments.MISSING}:
            if error := self._upload_errors.get((experiment.where, clip)):
                return Observation(error=f"{clip} could not be uploaded: {error}")
        bucket, prefix = self._names.bucket_for(experiment.where), self._names.prefix
        target = ObjectRef(bucket, experiments.target_of(experiment, self._names.targets))
        process = experiment.process(prefix, target, self._context.settings.completion_topic)
        self.requests += 1
        try:
            answer = self._bucket(bucket).async_process_object(key_of(experiment.main, prefix), process)
        except oss2.exceptions.OssError as sdk_error:
            return observe_error(sdk_error)
        except (KeyError, ValueError) as parse_error:
            return Observation(error=f"an answer without ids: {parse_error}")
        return Observation(task=answer.task_id or "", event=answer.event_id or "")

    def _receive(
        self, seen: Mapping[str, Observation], listener: CompletionListener, wait: timedelta
    ) -> dict[str, Observation]:
        """Receive the notifications of all accepted tasks; ask IMM about those without one."""
        clock, tasks = self._context.clock, {one.task for one in seen.values() if one.task}
        deadline = clock.now() + wait
        bodies = listener.receive(tasks, wait, clock)
        received = {name: one._replace(body=bodies[one.task]) for name, one in seen.items() if one.task in bodies}
        others = {name: one for name, one in seen.items() if one.task and one.task not in bodies}
        asked = {name: self._ask_imm(one, listener.error, deadline) for name, one in others.items()}
        return {**seen, **received, **asked}

    def _ask_imm(self, one: Observation, listener_error: str, deadline: datetime) -> Observation:
        """Ask IMM about a task without a notification; if none can come, until the deadline."""
        ask = partial(result_of, partial(self._context.audio.task_outcome, one.task))
        outcome = ask()
        unknown = (type(None), TaskRunning)
        while listener_error and isinstance(outcome, unknown) and self._context.clock.now() < deadline:
            time.sleep(POLL_S)
            outcome = ask()
        if isinstance(outcome, TaskOutcome):
            state = "it succeeded" if outcome.succeeded else f"it failed, {outcome.message}"
        else:
            self._cleanup.add(f"task {one.task}", partial(_unfinished_task, self._names.targets))
            state = "it is still running" if isinstance(outcome, TaskRunning) else str(outcome or "it is unknown")
        return one._replace(error=f"no message: {listener_error or 'none came in time'}; IMM: {state}")

    def _decode(self, experiment: Experiment, one: Observation) -> Observation:
        """Download an output, decode it, and detect its tones."""
        if not (one.task and experiment.has_audio):
            return one
        self.requests += 1
        ref = ObjectRef(self._names.bucket, experiments.target_of(experiment, self._names.targets))
        tones = [experiments.TONES[clip] for clip in dict.fromkeys(experiment.clips)]
        try:
            with TemporaryDirectory(prefix="clipstitch-doctor-") as folder:
                file = Path(folder) / "made.flac"
                file.write_bytes(self._context.objects.read(ref).body)
                return one._replace(tones=detect(decode(file, RATE).samples, tones))
        except ClipstitchError as error:
            return one._replace(error=one.error or f"no output to decode: {error}")

    def _call(self, call: Callable[[], object]) -> None:
        """Call OSS and count the request; a bucket that does not exist is no error."""
        self.requests += 1
        try:
            call()
        except oss2.exceptions.NoSuchBucket:
            return
        except oss2.exceptions.OssError as error:
            raise (CloudRefused if 400 <= error.status < 500 else CloudBusy)(describe_error(error)) from error


def _error_of(call: Callable[[], object]) -> str:
    error = result_of(call)
    return str(error) if isinstance(error, ClipstitchError) else ""


def _unfinished_task(prefix: str) -> None:
    """Raise an error, because tasks cannot be cancelled."""
    raise CloudBusy(f"it has not ended; what it writes from now on remains under {prefix}")


def observe_error(error: Any) -> Observation:
    """Return what an SDK error says about the request; transient errors and missing rights say nothing about it.

    IMM's own errors count with every status, because that status is one of the questions.
    """
    rejected = RejectedRequest(error.status, error.code or "", error.message or "")
    unrelated = error.status < 400 or error.status >= 500 or error.status in (403, 429)
    if (unrelated and rejected.code != IMM_CODE) or is_transient(rejected.code, rejected.message):
        return Observation(error=str(rejected))
    return Observation(rejected)
