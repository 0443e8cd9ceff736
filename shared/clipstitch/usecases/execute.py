"""Perform what `decide` says, until there is nothing left to do but wait. The only place that acts on a job.

Every action may be cut off anywhere and done again: it either left no trace, or left the fact that stops it.
"""

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import AlreadyExists, ClipstitchError, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef, is_newer
from clipstitch.common.logging import log_event
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, ObjectInfo
from clipstitch.jobs.completion_event import encode, event_id, fit_to_message, make_event
from clipstitch.jobs.decide import (
    DURATION_META,
    JOB_META,
    MANIFEST_META,
    Action,
    Cause,
    OutputConflict,
    decide,
    manifest_label,
    output_conflict,
)
from clipstitch.jobs.job import (
    ACCEPTED,
    DELIVERED,
    FAILED,
    RESULT_SINK,
    Decision,
    Fact,
    Failure,
    Job,
    Published,
    Result,
)
from clipstitch.planning.chapters import ID3_HEADER_BYTES, chapters_of, id3_size, id3_tag, webvtt, webvtt_ref
from clipstitch.planning.plan import Plan, Step
from clipstitch.usecases.context import Context
from clipstitch.usecases.deliver import Delivery, deliver
from clipstitch.usecases.job_store import REFUSED, JobStore
from clipstitch.usecases.settings import Sink


def execute(
    job: Job,
    store: JobStore,
    cloud: Context,
    cause: Cause = "manifest",
    resting: frozenset[int | str] = frozenset(),
    due: frozenset[Fact] = frozenset(),
) -> Job:
    """Bring a job as far as it can go now; what brought us here, what rests and what is due are as in `decide`."""
    while actions := decide(job, cause, resting, due):
        action = _first(actions, cloud)
        if (
            action.do == "start"
            and isinstance(cause, int)
            and not store.claim(job, _step_of(action).number, cause, cloud.timestamp())
        ):
            return job
        log_event("action", job=job.id, action=action.do)
        job = _perform(action, job, store, cloud)
    return job


def _first(actions: tuple[Action, ...], cloud: Context) -> Action:
    """Choose what to do first. A webhook may take its time, so everybody else hears before it."""
    telling = [action for action in actions if action.do == "tell"]
    return min(telling, key=lambda action: _webhook(action.sink, cloud) is not None) if telling else actions[0]


def _webhook(sink: str, cloud: Context) -> Sink | None:
    """Return a sink if it is a webhook."""
    configured = cloud.settings.sink(sink)
    return configured if configured and configured.kind == "webhook" else None


def _perform(action: Action, job: Job, store: JobStore, cloud: Context) -> Job:
    """Do one thing, and return the job knowing it."""
    match action.do:
        case "start":
            return _start(_step_of(action), job, store, cloud)
        case "judge":
            return store.judge(job, _verdict(action.step, job, store, cloud))
        case "publish":
            return store.settle(job, _published_or_not(_plan_of(job), cloud))
        case "tell" if hook := _webhook(action.sink, cloud):
            return deliver(Delivery(hook, event_id(job), _message(job, cloud)), job, store, cloud)
        case "tell":
            return store.add(job, Fact(DELIVERED, detail=action.sink), _told_or_refused(action.sink, job, cloud))
        case "close":
            log_event("job-closed", job=job.id, state=job.state)
            return store.close(job, cloud.timestamp())


def _step_of(action: Action) -> Step:
    """Return the step that an action is about."""
    if action.step is None:
        raise ClipstitchError(f"nothing to {action.do}")
    return action.step


def _plan_of(job: Job) -> Plan:
    """Return the plan, which every job that starts, or publishes, has."""
    if job.plan is None:
        raise ClipstitchError(f"job {job.id} has no plan")
    return job.plan


def _start(step: Step, job: Job, store: JobStore, cloud: Context) -> Job:
    """Ask the cloud for a step; a refusal that no retry can mend is the step's failure."""
    try:
        task = cloud.audio.start(step.main, step.process)
    except ClipstitchError as error:
        if error.retryable:
            raise
        return store.add(job, Fact(FAILED, step.number, REFUSED), {**error.as_json(), "at": cloud.timestamp()})
    store.point(task, job.id, step.number)
    return store.add(job, Fact(ACCEPTED, step.number, task), {"at": cloud.timestamp()})


def _verdict(failed_step: Step | None, job: Job, store: JobStore, cloud: Context) -> Decision:
    """Say publish, or fail with the first reason that the failed step has."""
    plan = _plan_of(job)
    tasks = tuple(sorted(job.details(ACCEPTED)))
    if failed_step is None:
        return Decision("publish", plan.manifest, cloud.timestamp(), plan.sinks, tasks=tasks)
    reason = min(fact for fact in job.facts if fact.kind == FAILED and fact.step == failed_step.number)
    error = store.failure(job, reason)
    named = error._replace(message=f"{_about(failed_step, plan)}: {error.message}")
    return Decision("fail", plan.manifest, cloud.timestamp(), plan.sinks, error=named, tasks=tasks)


def _about(step: Step, plan: Plan) -> str:
    """Name the clips that a step is about; the cloud's own message may name one of them."""
    keys = [clip.key for clip in plan.clips[step.clips[0] : step.clips[1] + 1] if clip.key]
    if len(keys) < 2:
        return f"clip `{keys[0]}`" if keys else "a silence"
    return f"{len(keys)} clips, `{keys[0]}` to `{keys[-1]}`"


def _published_or_not(plan: Plan, cloud: Context) -> Result:
    """Publish; a refusal that no retry can mend is what became of it."""
    try:
        return _publish(plan, cloud)
    except ClipstitchError as error:
        if error.retryable:
            raise
        return Result(cloud.timestamp(), error=Failure(error.code, str(error), error.remedy))


def _publish(plan: Plan, cloud: Context) -> Result:
    """Copy the finished output to the user's key, whole or not at all, and say what became of it.

    The operator may have changed what is allowed, and what triggers us, since the manifest was read.
    """
    ref, limits = plan.output.ref, cloud.settings.limits
    there = _describe(ref, cloud)
    stands = output_conflict(plan, ref, there)
    wrong = limits.against_bucket(ref.bucket, plan.manifest.ref.bucket) or limits.against_key(ref.key)
    if wrong and stands.kind != "ours":
        return Result(cloud.timestamp(), error=Failure(wrong.code, f"{ref.uri}: {wrong.message}", wrong.remedy))
    beside = _standing_beside(plan, cloud)
    for refused in (one for one in (stands, beside) if one.kind == "refused"):
        return Result(cloud.timestamp(), error=Failure(refused.code, refused.message, refused.remedy))
    if stands.kind == "ours" and there:
        made = Published(there.etag, there.size, int(there.meta.get(DURATION_META, "0")))
    else:
        try:
            made = _copy(plan, cloud, once=stands.kind == "free")
        except AlreadyExists:
            return _publish(plan, cloud)  # somebody was faster: look again at whose it is
    _write_chapters(plan, cloud)
    return Result(cloud.timestamp(), output=made)


def _standing_beside(plan: Plan, cloud: Context) -> OutputConflict:
    """Say whether the chapters may be put beside the output; they may where there are none."""
    if not plan.output.chapters:
        return OutputConflict("free")
    ref = webvtt_ref(plan)
    return output_conflict(plan, ref, _describe(ref, cloud))


def _describe(ref: ObjectRef, cloud: Context) -> ObjectInfo | None:
    """Return what stands at a name, if anything."""
    try:
        return cloud.objects.describe(ref)
    except ObjectNotFound:
        return None


def _copy(plan: Plan, cloud: Context, *, once: bool) -> Published:
    """Measure the output, copy it, and write on it whose it is, so that a run after a crash recognises its own."""
    source = plan.final.target
    probe = cloud.audio.probe([source])[source]
    if isinstance(probe, ClipstitchError):
        raise probe
    duration_ms = round(probe.duration_s * 1000)
    meta = {JOB_META: plan.job_id, MANIFEST_META: manifest_label(plan), DURATION_META: str(duration_ms)}
    labels = ObjectHeaders(FORMATS[plan.output.format].content_type, meta)
    front = _tag(plan, cloud) if plan.output.chapters and plan.output.format == "mp3" else None
    made = cloud.objects.copy(source, plan.output.ref, labels, once=once, front=front)
    return Published(made.etag, made.size, duration_ms)


def _tag(plan: Plan, cloud: Context) -> HeadReplacement:
    """Make the ID3 tag that takes the place of the encoder's own, of which only the first bytes are looked at."""
    head = cloud.objects.read(plan.final.target, limit=ID3_HEADER_BYTES).body
    title = plan.output.ref.key.rpartition("/")[2].rpartition(".")[0] or plan.output.ref.key
    return HeadReplacement(id3_tag(title, chapters_of(plan)), id3_size(head))


def _write_chapters(plan: Plan, cloud: Context) -> None:
    """Put the chapters beside the output; the same job always writes the same."""
    if plan.output.chapters:
        meta = {JOB_META: plan.job_id, MANIFEST_META: manifest_label(plan)}
        labels = ObjectHeaders("text/vtt; charset=utf-8", meta)
        cloud.objects.write(webvtt_ref(plan), webvtt(chapters_of(plan)).encode(), labels)


def _told_or_refused(sink: str, job: Job, cloud: Context) -> dict[str, object]:
    """Tell one sink; one that refuses for good must not keep the job, and the other sinks, waiting for ever."""
    try:
        _tell(sink, job, cloud)
    except ClipstitchError as error:
        if error.retryable:
            raise
        log_event("sink-refused", job=job.id, sink=sink, **error.as_json())
        return {"at": cloud.timestamp(), "error": error.as_json()}
    return {"at": cloud.timestamp()}


def _tell(sink: str, job: Job, cloud: Context) -> None:
    """Deliver the event to one sink; repeating it is allowed, and changes neither id nor content."""
    if sink == RESULT_SINK:
        _write_result(_result_ref(job, cloud), encode(make_event(job)), job.id, cloud)
        return
    text = _message(job, cloud)
    configured = cloud.settings.sink(sink)
    if configured is None:
        log_event("sink-gone", job=job.id, sink=sink)
    elif configured.kind == "topic":
        cloud.messages.publish(configured.target, text)
    else:
        cloud.messages.send(configured.target, text)


def _message(job: Job, cloud: Context) -> str:
    """Write a job's event as it fits into a message."""
    return encode(fit_to_message(make_event(job), _result_ref(job, cloud)))


def _result_ref(job: Job, cloud: Context) -> ObjectRef:
    """Name the result object."""
    if job.decision is None:
        raise ClipstitchError(f"job {job.id} has no verdict")
    manifest = job.decision.manifest.ref
    return ObjectRef(manifest.bucket, f"{cloud.settings.result_prefix}{manifest.key}.json")


def _write_result(ref: ObjectRef, text: str, job_id: str, cloud: Context) -> None:
    """Put the event where its manifest's author looks; a newer job's result stays."""
    labels = ObjectHeaders("application/json", {JOB_META: job_id})
    try:
        cloud.objects.write(ref, text.encode(), labels, once=True)
    except AlreadyExists:
        there = _describe(ref, cloud)
        if there is None or not is_newer(there.meta.get(JOB_META, ""), than=job_id):
            cloud.objects.write(ref, text.encode(), labels)
