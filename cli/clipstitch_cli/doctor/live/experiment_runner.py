"""Runs experiments in a throw-away place of a real cloud: a prefix, and perhaps a bucket without an IMM project."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from clipstitch.adapters.oss import OssBuckets
from clipstitch.adapters.oss2_import import oss2
from clipstitch.common.cloud_errors import is_transient
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused
from clipstitch.common.ports import TaskOutcome, TaskRunning
from clipstitch.usecases.context import Context
from clipstitch_cli.display.decoded_audio import decode
from clipstitch_cli.doctor.findings import asked
from clipstitch_cli.doctor.live.cleanup import Undo
from clipstitch_cli.doctor.live.experiments import (
    HOME,
    NOWHERE,
    TONES,
    Experiment,
    Refused,
    Seen,
    key_of,
    objects_of,
    target_of,
)
from clipstitch_cli.doctor.live.temporary_queue import POLL_S, Ear
from clipstitch_cli.doctor.live.tones import RATE, Heard, listen

IMM = "Imm Client"
Definition = Callable[[str], dict[str, Any]]


class Place(NamedTuple):
    """Names of throw-away things. `unbound`: a bucket without a project; `new`: it is ours to make and to remove."""

    stamp: str
    bucket: str
    unbound: str
    new: bool

    @property
    def prefix(self) -> str:
        """What the keys of all objects begin with."""
        return f"doctor-{self.stamp}/"

    @property
    def queue(self) -> str:
        """The queue, and its subscription."""
        return f"doctor-{self.stamp}"

    def at(self, where: str) -> str:
        """Return the bucket of an experiment."""
        return self.bucket if where == HOME else self.unbound


class Bench:
    """Runs experiments in a place; `requests` counts what was asked of OSS."""

    def __init__(self, place: Place, cloud: Context, key: AccessKey, undo: Undo) -> None:
        self.place, self._cloud, self._undo = place, cloud, undo
        self._buckets = OssBuckets(cloud.settings.oss_endpoint, cloud.settings.oss_region, key)
        self._lacking: dict[tuple[str, str], str] = {}  # what could not be put, and why
        self.requests = 0

    def run(
        self, experiments: Sequence[Experiment], ear: Ear, definition: Definition, wait: timedelta
    ) -> dict[str, Seen]:
        """Do all experiments at once; what one meets does not stop the others."""
        ear.open(self._undo)
        self._put(experiments)
        seen = {experiment.name: self._start(experiment) for experiment in experiments}
        seen = self._hear(seen, ear, wait)
        known = {name: one._replace(asked=definition(one.task)) if one.task else one for name, one in seen.items()}
        return {experiment.name: self._look(experiment, known[experiment.name]) for experiment in experiments}

    def _put(self, experiments: Sequence[Experiment]) -> None:
        """Make the bucket, and put the clips."""
        place = self.place
        for where in sorted({experiment.where for experiment in experiments}):
            name, why = place.at(where), ""
            if where != HOME and place.new:
                self._undo.later(f"bucket {name}", partial(self._call, self._oss(name).delete_bucket))
                why = self._tried(self._oss(name).create_bucket)
            self._undo.later(f"oss://{name}/{place.prefix}", partial(self._clear, name))
            for clip, body in objects_of(experiments, where).items():
                why_not = why or self._tried(self._oss(name).put_object, key_of(clip, place.prefix), body)
                self._lacking |= {(where, clip): why_not} if why_not else {}

    def _clear(self, bucket: str) -> None:
        """Delete everything below the prefix, and look whether something is left."""
        if found := self._listed(bucket):
            self._call(self._oss(bucket).batch_delete_objects, found)
        if left := self._listed(bucket):
            raise CloudBusy(f"{', '.join(left)} is still there")

    def _listed(self, bucket: str) -> list[str]:
        """List the prefix; ours never has more objects than a page. A bucket that is gone has none."""
        found = self._call(self._oss(bucket).list_objects_v2, prefix=self.place.prefix, max_keys=1000)
        return [each.key for each in found.object_list] if found else []

    def _start(self, experiment: Experiment) -> Seen:
        """Post a request. No right, or no time, answers no question."""
        place = self.place
        for clip in {*experiment.clips} - {NOWHERE}:
            if why := self._lacking.get((experiment.where, clip)):
                return Seen(trouble=f"{clip} could not be put: {why}")
        bucket = place.at(experiment.where)
        process = experiment.process(place.prefix, bucket, self._cloud.settings.completion_topic)
        self.requests += 1
        try:
            answer = self._oss(bucket).async_process_object(key_of(experiment.main, place.prefix), process)
        except oss2.exceptions.OssError as error:
            return _refusal(error)
        except (KeyError, ValueError) as error:
            return Seen(trouble=f"an answer without ids: {error}")
        return Seen(task=answer.task_id or "", event=answer.event_id or "")

    def _hear(self, seen: Mapping[str, Seen], ear: Ear, wait: timedelta) -> dict[str, Seen]:
        """Hear how all accepted tasks end; ask IMM for the silent ones."""
        deadline = self._cloud.clock.now() + wait
        said = ear.hear({one.task for one in seen.values() if one.task}, wait, self._cloud.clock)
        heard = {name: one._replace(body=said[one.task]) for name, one in seen.items() if one.task in said}
        silent = {name: one for name, one in seen.items() if one.task and one.task not in said}
        return {**seen, **heard, **{name: self._silent(one, ear.deaf, deadline) for name, one in silent.items()}}

    def _silent(self, one: Seen, deaf: str, deadline: datetime) -> Seen:
        """Ask IMM about a task whose message did not come; where none could come, for as long as one would wait."""
        ended = asked(partial(self._cloud.audio.task_outcome, one.task))
        while (ended is None or isinstance(ended, TaskRunning)) and deaf and self._cloud.clock.now() < deadline:
            time.sleep(POLL_S)
            ended = asked(partial(self._cloud.audio.task_outcome, one.task))
        if not isinstance(ended, TaskOutcome):
            self._undo.later(f"task {one.task}", partial(_unended, self.place.prefix))
            says = "it runs still" if isinstance(ended, TaskRunning) else str(ended or "it is not known")
        else:
            says = "it succeeded" if ended.succeeded else f"it failed, {ended.message}"
        return one._replace(trouble=f"no message: {deaf or 'none came in time'}; IMM: {says}")

    def _look(self, experiment: Experiment, one: Seen) -> Seen:
        """Listen to what was made."""
        if not (one.task and experiment.sound):
            return one
        try:
            return one._replace(heard=self._sound(experiment))
        except ClipstitchError as error:
            return one._replace(trouble=one.trouble or f"nothing to hear: {error}")

    def _sound(self, experiment: Experiment) -> tuple[Heard, ...]:
        """Fetch an output, decode it, and listen."""
        body = self._call(self._oss(self.place.bucket).get_object, target_of(experiment, self.place.prefix)).read()
        tones = [TONES[clip] for clip in dict.fromkeys(experiment.clips)]
        with TemporaryDirectory(prefix="clipstitch-doctor-") as folder:
            file = Path(folder) / "made.flac"
            file.write_bytes(body)
            return listen(decode(file, RATE).samples, tones)

    def _oss(self, bucket: str) -> Any:
        return self._buckets(bucket)

    def _call(self, call: Callable[..., Any], *args: Any, **words: Any) -> Any:
        """Call OSS, and count it."""
        self.requests += 1
        with _ours():
            return call(*args, **words)

    def _tried(self, call: Callable[..., Any], *args: Any) -> str:
        """Call OSS; return why it did not work, if it did not."""
        try:
            self._call(call, *args)
        except ClipstitchError as error:
            return str(error)
        return ""


def _unended(prefix: str) -> None:
    """Be left behind: nobody can take a task back."""
    raise CloudBusy(f"it had not ended; what it writes from now on stays below {prefix}")


def _refusal(error: Any) -> Seen:
    """Read how a request was refused; what passes, or only we may not do, says nothing about the action.

    IMM's own refusals count whatever their status is, as that is one of the questions.
    """
    refused = Refused(error.status, error.code or "", error.message or "")
    ours_alone = error.status < 400 or error.status >= 500 or error.status in (403, 429)
    idle = (ours_alone and refused.code != IMM) or is_transient(refused.code, refused.message)
    return Seen(trouble=str(refused)) if idle else Seen(refused)


@contextmanager
def _ours() -> Iterator[None]:
    """Let no error of OSS past; what is not there need not be removed."""
    try:
        yield
    except oss2.exceptions.NoSuchBucket:
        return
    except oss2.exceptions.OssError as error:
        text = f"{error.code or 'no answer'} ({error.status}): {error.message or error.body}"
        raise (CloudRefused(text) if 400 <= error.status < 500 else CloudBusy(text)) from error
