"""Questions that need the deployed functions: events, redeliveries, sinks, and the permission to ask IMM."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from clipstitch.common.errors import ClipstitchError, CloudBusy, InvalidManifest, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.jobs.job import ACCEPTED, DECISION, DELIVERED, FAILED, PLANNED, RESULT, SUCCEEDED, Fact, Job
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context
from clipstitch_cli.doctor.findings import format_age
from clipstitch_cli.doctor.live.cleanup import CleanupStack
from clipstitch_cli.doctor.live.experiment_runner import TemporaryNames
from clipstitch_cli.doctor.live.experiments import TONES
from clipstitch_cli.doctor.live.options import LiveOptions
from clipstitch_cli.doctor.live.questions import Answer, OpenQuestion, answered, not_answered
from clipstitch_cli.doctor.live.trial_jobs import TrialManifest, pauses, trial_manifest
from clipstitch_cli.smq_queue import QueueMessage, SmqQueue
from clipstitch_cli.stored_jobs import objects_of, uploaded_job_id

ODD_NAME = "a b+中.json"
JOB_END = timedelta(seconds=60)  # for a running job to end before it is removed
NOT_BELIEVED = timedelta(seconds=30)  # a notification is delivered at once; a false one must have no effect
MAX_RECEIVED = 50  # dead-letter messages that are received to find the doctor's own
_NOT_RUN = not_answered("--with-functions was not given")
KEY_ENCODING = OpenQuestion(
    "12",
    "Does an event contain an object's key unencoded?",
    "yes, not URL-encoded",
    lambda _: _NOT_RUN,
    "nothing, as `submit` tries the decoded key, too; avoid manifests whose names differ only in their encoding",
)
REDELIVERY = OpenQuestion(
    "13",
    "What redelivers a message that a function fails on?",
    "SMQ, until the function succeeds; it becomes no dead-letter message of Function Compute",
    lambda _: _NOT_RUN,
    "nothing: `clipstitch retry --dead-letters` handles such messages; the alarm for dead letters fires more often",
)
SINK_DELIVERY = OpenQuestion(
    "15",
    "Does a sink get its event, over SMQ's -internal endpoint by HTTPS?",
    "yes, when the job has finished",
    lambda _: _NOT_RUN,
    "in s.yaml and template.yml write MNS_ENDPOINT without -internal, then `s deploy -y`; if the functions' log says "
    "ACCESS_DENIED or SINK_TARGET_MISSING, correct that instead",
)
TASK_LOOKUP = OpenQuestion(
    "16",
    "May the functions ask IMM about tasks (imm:GetTask on the project)?",
    "yes: a failure is not believed of a task that IMM says has succeeded",
    lambda _: _NOT_RUN,
    "in template.yml give FunctionRole a statement of its own for imm:GetTask with Resource '*', then `s deploy -y`",
)
FUNCTION_QUESTIONS = (KEY_ENCODING, REDELIVERY, SINK_DELIVERY, TASK_LOOKUP)
SINK_TRIAL = "events.json"


class FunctionExperiments(NamedTuple):
    """Experiments with the deployed functions. `queue`: dead-letter messages; None if its name is unknown."""

    names: TemporaryNames
    context: Context
    cleanup: CleanupStack
    queue: SmqQueue | None
    options: LiveOptions

    def answers(self) -> Iterator[tuple[OpenQuestion, Answer]]:
        """Yield the answers to all questions; an error in one does not stop the others."""
        experiments = (self._key_encoding, self._redelivery, self._sink_delivery, self._task_lookup)
        for question, experiment in zip(FUNCTION_QUESTIONS, experiments, strict=True):
            try:
                yield question, experiment()
            except InvalidManifest as error:
                yield question, not_answered(f"the operator's limits forbid such a job: {error}")
            except ClipstitchError as error:
                yield question, not_answered(str(error))

    def _key_encoding(self) -> Answer:
        """Upload a manifest under an odd key, and another one whose key is the URL encoding of the odd key.

        `submit` URL-decodes a key once if the object does not exist, so only the second manifest makes the difference:
        an encoded event names it. The sweep finds the first manifest, too, but not before its grace period is over.
        """
        grace_period = timedelta(seconds=self.context.settings.grace_period_s)
        quoted, odd = (trial_manifest(name, self.names, self.context) for name in (quote(ODD_NAME), ODD_NAME))
        if self._time_to_plan(quoted, grace_period) is None:
            return not_answered(f"no function planned {quoted.ref.uri} in time: see `clipstitch doctor`")
        took, key = self._time_to_plan(odd, grace_period), odd.ref.key
        if took is None:
            return answered(as_assumed=False, found=f"no event named {key!r} within {format_age(grace_period)}")
        return answered(as_assumed=True, found=f"an event named {key!r} after {took.total_seconds():.1f} s")

    def _time_to_plan(self, trial: TrialManifest, limit: timedelta) -> timedelta | None:
        """Upload a manifest; return how long it took until its job was planned, None if longer than the limit."""
        job_id, before = self._upload(trial), self.context.clock.now()
        planned = self._wait_for(job_id, limit, lambda job: job.has(PLANNED) or job.has(DECISION))
        took = self.context.clock.now() - before
        return took if planned and took < limit else None

    def _upload(self, trial: TrialManifest) -> str:
        """Upload a manifest and return the id of its job. Raises InvalidManifest before if the limits forbid it."""
        trial.plan(self.context)
        self.cleanup.add(f"job of {trial.ref.uri}", lambda: self._remove_upload(trial.ref))
        self.context.objects.write(trial.ref, trial.body, ObjectHeaders("application/json"))
        return uploaded_job_id(trial.ref, self.context)

    def _wait_for(self, job_id: str, limit: timedelta, condition: Callable[[Job], bool]) -> bool:
        """Wait until a job meets a condition; return False if that takes too long."""
        for pause in pauses(limit):
            if condition(self.context.store.load(job_id)):
                return True
            time.sleep(pause)
        return False

    def _redelivery(self) -> Answer:
        """Publish the notification of a task that succeeded, but whose output does not exist: `complete` fails.

        Retries of Function Compute would end in a dead-letter message. If none comes, create the output; the
        redelivered message then succeeds.
        """
        if self.queue is None:
            return not_answered("the dead-letter queue is unknown; set CLIPSTITCH_DEAD_LETTER_QUEUE")
        task, plan = self.names.queue, self._record_unstarted("never.json")
        target = plan.final.target
        self.cleanup.add(f"dead-letter message of {task}", lambda: self._remove_dead_letter(task))
        self.context.messages.publish(self.context.settings.completion_topic, notification(task, target))
        for pause in pauses(self.options.dead_letter_wait):
            if message := self._dead_letter(task):
                found = f"a dead-letter message, after {_attempts(message)} attempts of Function Compute"
                return answered(as_assumed=False, found=found)
            time.sleep(pause)
        self.context.objects.write(target, TONES["a"].wav(), ObjectHeaders())
        none = f"no dead-letter message within {format_age(self.options.dead_letter_wait)}"
        if self._wait_for(plan.job_id, self.options.wait, lambda job: job.has(SUCCEEDED)):
            return answered(as_assumed=True, found=f"{none}; then the message was redelivered")
        return not_answered(f"{none}, and the message was not redelivered either")

    def _record_unstarted(self, name: str) -> Plan:
        """Record the plan of a job that no function starts, because its manifest is not uploaded."""
        trial = trial_manifest(name, self.names, self.context)
        plan = trial.plan(self.context)
        self.cleanup.add(f"job {plan.job_id}", lambda: self._remove_unstarted(plan.job_id, trial.ref))
        self.context.store.record(Job(plan.job_id), plan)
        return plan

    def _sink_delivery(self) -> Answer:
        """Run a job whose event goes to a topic, or else to a queue: both are reached through the same endpoint."""
        sinks = self.context.settings.sinks
        sink = next((one for kind in ("topic", "queue") for one in sinks if one.kind == kind), None)
        if sink is None:
            return not_answered("no topic or queue is among the sinks")
        job_id = self._upload(trial_manifest(SINK_TRIAL, self.names, self.context, [sink.name]))
        if not self._wait_for(job_id, self.options.wait, lambda job: job.has(RESULT)):
            return not_answered("the job did not finish in time: see `clipstitch doctor`")
        target, given_up = f"{sink.kind} {sink.target}", Fact(DELIVERED, detail=sink.name)
        if not self._wait_for(job_id, self.options.wait, lambda job: job.closed or sink.name in job.pending):
            waited = format_age(self.options.wait)
            return answered(as_assumed=False, found=f"{target} got no event within {waited} after the job had finished")
        job = self.context.store.load(job_id)
        failed = given_up if given_up in job.facts else job.pending[sink.name].fact if not job.closed else None
        error = self.context.store.document(job_id, failed).get("error") if failed else None
        return answered(not error, f"{target} refused the event: {error}" if error else f"{target} got the event")

    def _task_lookup(self) -> Answer:
        """Report a failure of a task that has succeeded: `complete` asks IMM, and believes IMM.

        If it may not ask, it believes the notification. The success that is reported later shows that it runs at all.
        """
        if (task := self._finished_task()) is None:
            return not_answered("no task has succeeded: see question 15")
        plan, topic = self._record_unstarted("failure.json"), self.context.settings.completion_topic
        target, step = plan.final.target, plan.final.number
        self.context.store.add(self.context.store.load(plan.job_id), Fact(ACCEPTED, step, task))
        self.context.messages.publish(topic, notification(task, target, succeeded=False))
        limit = min(NOT_BELIEVED, self.options.dead_letter_wait)
        if self._wait_for(plan.job_id, limit, lambda job: job.has(FAILED)):
            return answered(as_assumed=False, found="a false failure was believed, so IMM was not asked")
        self.context.objects.write(target, TONES["a"].wav(), ObjectHeaders())
        self.context.messages.publish(topic, notification(task, target))
        if self._wait_for(plan.job_id, self.options.wait, lambda job: job.has(SUCCEEDED) or job.has(FAILED)):
            # A failure that is delivered again after the decision is recorded, too, and changes nothing.
            believed = not self.context.store.load(plan.job_id).has(SUCCEEDED)
            return answered(not believed, f"a false failure was {'' if believed else 'not '}believed")
        return not_answered("no function recorded the success that was reported later")

    def _finished_task(self) -> str | None:
        """Return a task of the job of question 15 that has succeeded."""
        manifest = trial_manifest(SINK_TRIAL, self.names, self.context).ref
        try:
            job = self.context.store.load(uploaded_job_id(manifest, self.context))
        except ObjectNotFound:
            return None
        accepted = {fact.detail for fact in job.facts if fact.kind == ACCEPTED}
        return next((fact.task for fact in job.facts if fact.kind == SUCCEEDED and fact.task in accepted), None)

    def _dead_letter(self, task: str) -> QueueMessage | None:
        """Return the doctor's dead-letter message if it is visible."""
        return next((one for one in self.queue.peek() if task in one.body), None) if self.queue else None

    def _remove_dead_letter(self, task: str) -> None:
        """Delete the doctor's dead-letter message, if there is one; make the others visible again."""
        if self.queue is None or self._dead_letter(task) is None:
            return
        others: list[QueueMessage] = []
        while len(others) < MAX_RECEIVED and (message := self.queue.receive(1)):
            if task in message.body:
                self.queue.delete(message.handle)
                break
            others.append(message)
        for message in others:
            self.queue.release(message.handle)

    def _remove_upload(self, manifest: ObjectRef) -> None:
        """Remove a manifest, and its job after it has ended."""
        try:
            job_id = uploaded_job_id(manifest, self.context)
        except ObjectNotFound:
            return
        ended = self._has_ended(job_id)
        self.context.objects.delete([manifest])
        self._remove_job(job_id, manifest, ended=ended)

    def _remove_unstarted(self, job_id: str, manifest: ObjectRef) -> None:
        """Remove a job that was never started; if its notification succeeded, after the job has ended."""
        self._remove_job(
            job_id, manifest, ended=not self.context.store.load(job_id).has(SUCCEEDED) or self._has_ended(job_id)
        )

    def _has_ended(self, job_id: str) -> bool:
        """Wait until nothing writes to a job any more: its marker is deleted last."""
        limit = min(JOB_END, self.options.wait)
        return self._wait_for(job_id, limit, lambda job: job.closed and job_id not in self.context.store.open_jobs())

    def _remove_job(self, job_id: str, manifest: ObjectRef, *, ended: bool) -> None:
        self.context.objects.delete(objects_of(job_id, manifest, self.context))
        if not ended:
            raise CloudBusy(f"job {job_id} has not ended; what it writes from now on remains")


def _attempts(message: QueueMessage) -> str:
    """Return how often Function Compute has tried."""
    return str(json.loads(message.body).get("requestContext", {}).get("approximateInvokeCount"))


def notification(task: str, target: ObjectRef, *, succeeded: bool = True) -> str:
    """Return the notification of a task that made an object, or failed to, as IMM sends it."""
    status = (
        {"Status": "Succeeded"} if succeeded else {"Status": "Failed", "Code": "InvalidArgument", "Message": "test"}
    )
    content: dict[str, Any] = {"TaskType": "MediaConvert", "TaskId": task, **status}
    content["Targets"] = [{"URI": target.uri}]
    return json.dumps({"id": task, "type": "imm:Task:MediaConvert", "content": json.dumps(content)})
