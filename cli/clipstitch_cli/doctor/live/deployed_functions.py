"""Two questions that only the deployed functions can answer: how an event spells a key, and who repeats a message."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from clipstitch.common.errors import ClipstitchError, CloudBusy, InvalidManifest, ObjectNotFound
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, job_id_of
from clipstitch.common.ports import ObjectHeaders
from clipstitch.jobs.job import DECISION, PLANNED, SUCCEEDED, Job
from clipstitch.planning.plan import WORK
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JOBS, OPEN, JobStore
from clipstitch_cli.doctor.findings import age
from clipstitch_cli.doctor.live.cleanup import Undo
from clipstitch_cli.doctor.live.experiment_runner import Place
from clipstitch_cli.doctor.live.experiments import TONES
from clipstitch_cli.doctor.live.questions import Answer, Question, settled, unsettled
from clipstitch_cli.doctor.live.test_jobs import Trial, Waits, pauses, trial
from clipstitch_cli.function_compute.dead_letters import Letter, SmqLetters

ODD = "a b+中.json"
_JSON = ObjectHeaders("application/json")
END = timedelta(seconds=60)  # for a job that is under way to end, before it is removed
MOST_LETTERS = 50  # that are looked through for ours
_UNASKED = unsettled("--with-functions was not said")
KEYS = Question(
    "12", "Does an event name an object by its key as it is?", "yes, and not URL-encoded", lambda _: _UNASKED
)
RETRIES = Question(
    "13",
    "Who repeats a message that a function fails on?",
    "SMQ, until the function succeeds; it is no dead letter of Function Compute's",
    lambda _: _UNASKED,
)


class Deployed:
    """Asks the deployed functions. `letters` is the queue of dead letters; None when nobody names it."""

    def __init__(self, place: Place, cloud: Context, undo: Undo, letters: SmqLetters | None, waits: Waits) -> None:
        self._place, self._cloud, self._undo, self._letters, self._waits = place, cloud, undo, letters, waits
        settings = cloud.settings
        self._state = settings.state_bucket or settings.bucket
        self._store = JobStore(cloud.objects, self._state, settings.state_prefix)

    def answers(self) -> Iterator[tuple[Question, Answer]]:
        """Ask both questions; what one meets does not stop the other."""
        for question, ask in ((KEYS, self._keys), (RETRIES, self._retries)):
            try:
                yield question, ask()
            except InvalidManifest as error:
                yield question, unsettled(f"the operator's limits forbid such a job: {error}")
            except ClipstitchError as error:
                yield question, unsettled(str(error))

    def _keys(self) -> Answer:
        """Upload a manifest under an odd key, beside one whose key is the odd one in URL encoding.

        `submit` unquotes a key once if there is no such object, so the second one makes the difference: an encoded
        event leads to it. The sweep finds the first one too, but not before it is `grace_period_s` old.
        """
        patience = timedelta(seconds=self._cloud.settings.grace_period_s)
        quoted, odd = (trial(name, self._place, self._cloud) for name in (quote(ODD), ODD))
        if self._planned(quoted, patience) is None:
            return unsettled(f"no function planned {quoted.ref.uri} in time: see `clipstitch doctor`")
        took = self._planned(odd, patience)
        if took is None:
            return settled(assumed=False, found=f"no event led to {odd.ref.key!r} within {age(patience)}")
        return settled(assumed=True, found=f"an event led to {odd.ref.key!r} after {took.total_seconds():.1f} s")

    def _planned(self, one: Trial, patience: timedelta) -> timedelta | None:
        """Upload a manifest; return after how long its job was planned; None when it was not in time."""
        one.plan(self._cloud)
        self._undo.later(f"job of {one.ref.uri}", lambda: self._forget_upload(one.ref))
        self._cloud.objects.write(one.ref, one.body, _JSON)
        job_id = self._job_of(one.ref)
        before = self._cloud.clock.now()
        job = self._until(job_id, patience, PLANNED, DECISION)
        took = self._cloud.clock.now() - before
        return None if job is None or took >= patience else took

    def _until(self, job_id: str, patience: timedelta, *kinds: str) -> Job | None:
        """Look at a job until one of these facts is known; None when that takes too long."""
        for pause in pauses(patience):
            job = self._store.load(job_id)
            if any(job.has(kind) for kind in kinds):
                return job
            time.sleep(pause)
        return None

    def _ended(self, job_id: str) -> bool:
        """Let a job end, so that nothing is written behind our back; the marker goes last."""
        marker = self._marker(job_id)
        for pause in pauses(END):
            if self._store.load(job_id).closed and not list(self._cloud.objects.list(marker.bucket, marker.key)):
                return True
            time.sleep(pause)
        return False

    def _marker(self, job_id: str) -> ObjectRef:
        return ObjectRef(self._state, f"{self._cloud.settings.state_prefix}{OPEN}{job_id}")

    def _retries(self) -> Answer:
        """Tell of a task that succeeded, but whose object is not there: `complete` fails until it is.

        Function Compute's own retries would end in a dead letter. If none comes, the object is put there, and whoever
        repeats the message finds it.
        """
        if self._letters is None:
            return unsettled("nobody names the queue of dead letters; set CLIPSTITCH_DEAD_LETTER_QUEUE")
        one, task = trial("never.json", self._place, self._cloud), self._place.queue
        plan = one.plan(self._cloud)
        self._undo.later(f"job {plan.job_id}", lambda: self._forget_trial(plan.job_id, one.ref))
        self._undo.later(f"dead letter of {task}", lambda: self._drop_letter(task))
        self._store.plan(Job(plan.job_id), plan)
        self._cloud.messages.publish(self._cloud.settings.completion_topic, notice(task, plan.final.target))
        for pause in pauses(self._waits.letters):
            if letter := self._letter(task):
                return settled(
                    assumed=False, found=f"a dead letter, after Function Compute ran it {_times(letter)} times"
                )
            time.sleep(pause)
        return self._mended(plan.job_id, plan.final.target)

    def _mended(self, job_id: str, target: ObjectRef) -> Answer:
        """Put the object there that the function wants to see, and wait for the message to come again."""
        self._cloud.objects.write(target, TONES["a"].wav(), ObjectHeaders())
        none = f"no dead letter within {age(self._waits.letters)}"
        if self._until(job_id, self._waits.answers, SUCCEEDED) is None:
            return unsettled(f"{none}, and the message did not come again either")
        return settled(assumed=True, found=f"{none}; then the message came again")

    def _letter(self, task: str) -> Letter | None:
        """Peek for our dead letter, which hides none."""
        return next((letter for letter in self._letters.peek() if task in letter.body), None) if self._letters else None

    def _drop_letter(self, task: str) -> None:
        """Remove our dead letter, if there is one; let the others be seen again."""
        if self._letters is None or self._letter(task) is None:
            return
        others: list[Letter] = []
        while len(others) < MOST_LETTERS and (letter := self._letters.receive()):
            if task in letter.body:
                self._letters.delete(letter)
                break
            others.append(letter)
        for letter in others:
            self._letters.release(letter)

    def _job_of(self, manifest: ObjectRef) -> str:
        """Name the job of an upload."""
        about = self._cloud.objects.describe(manifest)
        return job_id_of(ManifestRef(manifest, about.etag), about.last_modified)

    def _forget_upload(self, manifest: ObjectRef) -> None:
        """Remove a manifest with its job, when that has ended; one that is not there has none."""
        try:
            job_id = self._job_of(manifest)
        except ObjectNotFound:
            return
        ended = self._ended(job_id)
        self._cloud.objects.delete([manifest])
        self._forget(job_id, manifest)
        if not ended:
            raise CloudBusy(f"job {job_id} had not ended; what it writes from now on stays")

    def _forget_trial(self, job_id: str, manifest: ObjectRef) -> None:
        """Remove a job that was never started; if its message has been believed meanwhile, when it has ended."""
        ended = self._ended(job_id) if self._store.load(job_id).has(SUCCEEDED) else True
        self._forget(job_id, manifest)
        if not ended:
            raise CloudBusy(f"job {job_id} had not ended; what it writes from now on stays")

    def _forget(self, job_id: str, manifest: ObjectRef) -> None:
        """Remove every trace of a job: marker, facts, work, result object."""
        settings, objects = self._cloud.settings, self._cloud.objects
        facts = f"{settings.state_prefix}{JOBS}{day_of(job_id)}/{job_id}/"
        work = f"{settings.state_prefix}{WORK}{job_id}/"
        traces = [ObjectRef(self._state, listed.key) for listed in objects.list(self._state, facts)]
        traces += [ObjectRef(self._place.bucket, listed.key) for listed in objects.list(self._place.bucket, work)]
        result = ObjectRef(manifest.bucket, f"{settings.result_prefix}{manifest.key}.json")
        objects.delete([self._marker(job_id), *traces, result])


def _times(letter: Letter) -> str:
    """Read how often Function Compute has tried."""
    return str(json.loads(letter.body).get("requestContext", {}).get("approximateInvokeCount"))


def notice(task: str, target: ObjectRef) -> str:
    """Write the message of a task that made an object, as IMM does."""
    content: dict[str, Any] = {"TaskType": "MediaConvert", "TaskId": task, "Status": "Succeeded"}
    content["Targets"] = [{"URI": target.uri}]
    return json.dumps({"id": task, "type": "imm:Task:MediaConvert", "content": json.dumps(content)})
