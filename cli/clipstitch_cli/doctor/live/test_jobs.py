"""Jobs of the doctor's own: two tones below the throw-away prefix, which tell nobody. What they are, and their cost."""

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
from clipstitch.usecases.submit import plan_for
from clipstitch_cli.costs.estimates import requests_of, size_of
from clipstitch_cli.doctor.live.experiment_runner import Place
from clipstitch_cli.doctor.live.experiments import TONES, Spending, key_of
from clipstitch_cli.doctor.live.tones import RATE

LOOK, REMOVING = 4, 8  # requests: facts and documents; manifest, marker, facts, results, and what is left of them
JOBS_OF_OURS = 3


class Waits(NamedTuple):
    """How long to wait for answers, and after how long no dead letter comes any more."""

    answers: timedelta
    letters: timedelta


class Known:
    """The `AudioService` port for planning before anything is uploaded: every clip is one of our tones."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Return what we know of our tones."""
        return {ref: Probe(_tone_seconds(ref.key), RATE, 1) for ref in refs}

    def start(self, main: ObjectRef, process: str) -> str:
        """Start nothing."""
        raise NotImplementedError(f"{main.uri} {process}")

    def task_outcome(self, task_id: str) -> TaskOutcome | None:
        """Know of no task."""
        raise NotImplementedError(task_id)


def _tone_seconds(key: str) -> float:
    """Return the length of a tone by its key."""
    return TONES[key.rpartition("/")[2].removesuffix(".wav")].milliseconds / 1000


class Trial(NamedTuple):
    """A manifest of ours: where it goes, and what it says."""

    ref: ObjectRef
    body: bytes

    def plan(self, cloud: Context) -> Plan:
        """Say what its job would do; `InvalidManifest` where the operator's limits do not let it. Asks nobody."""
        manifest = ManifestRef(self.ref, "DOCTOR")
        return plan_for(job_id_of(manifest, cloud.clock.now()), manifest, self.body, cloud._replace(audio=Known()))


def trial(name: str, place: Place, cloud: Context) -> Trial:
    """Make a manifest that merges two tones below the throw-away prefix, and tells no sink."""
    key = f"{cloud.settings.manifest_prefix}{place.prefix}{name}"
    output = f"{place.prefix}out/{quote(name, safe='')}.flac"
    clips = [key_of(clip, place.prefix) for clip in ("a", "b")]
    document = {"version": 1, "output": {"key": output}, "clips": clips, "notify": []}
    return Trial(ObjectRef(place.bucket, key), json.dumps(document).encode())


def spending(place: Place, cloud: Context, waits: Waits) -> Spending:
    """Add up what our jobs cost at most, one of which starts no task, with our looking on."""
    one = trial("plain.json", place, cloud)
    plan = one.plan(cloud)
    size = size_of(plan).size
    job = requests_of(plan, 0, size)
    patience = timedelta(seconds=cloud.settings.grace_period_s)
    looks = sum(len(list(pauses(wait))) for wait in (*waits, patience, patience))
    # A failing function reads facts, plan and object; SMQ doubles the gaps between its attempts.
    again = 3 * (round(sum(waits, timedelta()).total_seconds()).bit_length() + 1)
    return Spending(
        oss_requests=JOBS_OF_OURS * (job.oss + LOOK * looks + REMOVING) + again,
        imm_tasks=(JOBS_OF_OURS - 1) * len(plan.steps),
        smq_messages=JOBS_OF_OURS * 2 * job.smq,
        stored_bytes=JOBS_OF_OURS * (len(one.body) + 2 * size),
    )


def pauses(total: timedelta) -> Iterator[float]:
    """Yield pauses that grow, until they add up to a time.

    >>> [round(pause, 2) for pause in pauses(timedelta(seconds=1))]
    [0.2, 0.3, 0.45, 0.68]
    """
    waited, pause = 0.0, 0.2
    while waited < total.total_seconds():
        yield pause
        waited, pause = waited + pause, min(pause * 1.5, 10.0)
