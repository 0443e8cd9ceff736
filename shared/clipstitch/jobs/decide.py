"""What must happen next: facts in, actions out. Pure, total, and the same whenever and however often it is asked.

`advance` performs the actions. Each action adds the fact that makes `decide` stop asking for it.
"""

from typing import Literal, NamedTuple
from urllib.parse import quote

from clipstitch.common.identifiers import ObjectRef, is_newer
from clipstitch.common.ports import ObjectInfo
from clipstitch.jobs.job import ACCEPTED, DELIVERED, FAILED, RESULT_SINK, SUCCEEDED, Fact, Job
from clipstitch.planning.plan import Plan, Step

JOB_META, MANIFEST_META, DURATION_META = "clipstitch-job", "clipstitch-manifest", "clipstitch-duration-ms"


class Action(NamedTuple):
    """One thing to do. `step`: the one to start, or the one that failed the job; `sink`: whom to tell."""

    do: Literal["start", "judge", "publish", "tell", "close"]
    step: Step | None = None
    sink: str = ""


Cause = int | Literal["manifest", "sweep"]


def decide(
    job: Job,
    cause: Cause = "manifest",
    resting: frozenset[int | str] = frozenset(),
    due: frozenset[Fact] = frozenset(),
) -> tuple[Action, ...]:
    """Say what must happen next, in order; nothing when we wait for the cloud or are done.

    `cause` is what brought us here: the manifest, the end of a step (its number), or the sweep. Whoever submits starts
    the steps that need nothing, whoever hears of a step's end starts only what waited for it, so that no two start the
    same; the sweep starts whatever is ready and has no task that might still run, but for the steps that are `resting`.
    A sink that was told in vain is owed, and told again when that attempt is `due`; sinks may be `resting`, too.
    """
    if job.closed:
        return ()
    if job.decision is None:
        return _work(job, job.plan, cause, resting) if job.plan else ()
    if job.decision.kind == "publish" and job.result is None:
        return (Action("publish"),)
    told, pending = job.details(DELIVERED), job.pending
    untold = [sink for sink in (*job.decision.sinks, RESULT_SINK) if sink not in told]
    now = [sink for sink in untold if sink not in resting and (sink not in pending or pending[sink] in due)]
    tell = tuple(Action("tell", sink=sink) for sink in now)
    return (*tell, Action("close")) if now == untold else tell


def _work(job: Job, plan: Plan, cause: Cause, resting: frozenset[int | str]) -> tuple[Action, ...]:
    """Start what can start; judge when the last step is there, or one is lost. Success outranks failure."""
    done, failed = job.steps(SUCCEEDED), job.steps(FAILED)
    if plan.final.number in done:
        return (Action("judge"),)
    if lost := [step for step in plan.steps if step.number in failed - done]:
        return (Action("judge", lost[0]),)
    deadline_start = (
        job.steps(ACCEPTED) if cause != "sweep" else frozenset(n for n in job.steps(ACCEPTED) if job.running(n))
    )
    ready = (step for step in plan.steps if _concerns(cause, step) and done.issuperset(step.needs))
    return tuple(Action("start", step) for step in ready if step.number not in done | deadline_start | resting)


def _concerns(cause: Cause, step: Step) -> bool:
    """Say whether it is for us to start a step, once it is ready."""
    return cause == "sweep" or (cause in step.needs if step.needs else cause == "manifest")


class OutputConflict(NamedTuple):
    """How the output's name stands before publishing: free, ours already, replaceable, or refused with a reason."""

    kind: str  # free | ours | replaceable | refused
    code: str = ""
    message: str = ""
    remedy: str = ""


def output_conflict(plan: Plan, ref: ObjectRef, there: ObjectInfo | None) -> OutputConflict:
    """Say whether the output, or what lies beside it, may be published as `ref`, where an object (or none) stands.

    Another manifest's object is left alone unless `overwrite` says otherwise; a newer job's is left alone always.
    """
    if there is None:
        return OutputConflict("free")
    owner, manifest = there.meta.get(JOB_META, ""), there.meta.get(MANIFEST_META, "")
    if owner == plan.job_id:
        return OutputConflict("ours")
    where, same = ref.uri, manifest == manifest_label(plan)
    if is_newer(owner, than=plan.job_id) and (same or plan.output.overwrite):
        remedy = "Nothing to do: what is there is newer."
        return OutputConflict("refused", "SUPERSEDED", f"{where} was made by the newer job {owner}", remedy)
    if same or plan.output.overwrite:
        return OutputConflict("replaceable")
    remedy = "Choose another output key, remove the object, or set `overwrite: true`."
    return OutputConflict("refused", "OUTPUT_EXISTS", f"{where} exists and is not of this manifest", remedy)


def manifest_label(plan: Plan) -> str:
    """Return the manifest's name as object metadata can carry it: ASCII, without blanks."""
    return quote(plan.manifest.ref.uri, safe="/:")
