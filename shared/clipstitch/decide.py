"""What must happen next: facts in, actions out. Pure, total, and the same whenever and however often it is asked.

`advance` performs the actions. Each action adds the fact that makes `decide` stop asking for it.
"""

from dataclasses import dataclass
from urllib.parse import quote

from clipstitch.job import ACCEPTED, FAILED, RESULT_SINK, SUCCEEDED, TOLD, Job
from clipstitch.plan import Plan, Step
from clipstitch.ports import Described

JOB_META, MANIFEST_META, DURATION_META = "clipstitch-job", "clipstitch-manifest", "clipstitch-duration-ms"


@dataclass(frozen=True)
class Start:
    """Ask the cloud for a step."""

    step: Step


@dataclass(frozen=True)
class Judge:
    """Decide the job, once: publish it, or fail it because of a step."""

    failed_step: Step | None = None


@dataclass(frozen=True)
class Publish:
    """Let the user see the output, and write down what became of that."""


@dataclass(frozen=True)
class Tell:
    """Deliver the completion event to one sink."""

    sink: str


@dataclass(frozen=True)
class Close:
    """Remember that all is done, and clear away what only the work needed."""


Action = Start | Judge | Publish | Tell | Close


def decide(job: Job) -> tuple[Action, ...]:
    """Say what must happen next, in order; nothing when we wait for the cloud or are done."""
    if job.closed:
        return ()
    if job.verdict is None:
        return _work(job, job.plan) if job.plan else ()
    if job.verdict.kind == "publish" and job.result is None:
        return (Publish(),)
    told = job.details(TOLD)
    untold = tuple(Tell(sink) for sink in (*job.verdict.sinks, RESULT_SINK) if sink not in told)
    return (*untold, Close())


def _work(job: Job, plan: Plan) -> tuple[Action, ...]:
    """Start what can start; judge when the last step is there, or one is lost. Success outranks failure."""
    done = {step.target for step in plan.steps if job.knows(SUCCEEDED, step.number)}
    if plan.steps[-1].target in done:
        return (Judge(),)
    lost = [step for step in plan.steps if step.target not in done and job.knows(FAILED, step.number)]
    if lost:
        return (Judge(lost[0]),)
    return tuple(Start(step) for step in plan.steps if step.target not in done and not job.knows(ACCEPTED, step.number))


@dataclass(frozen=True)
class Standing:
    """How the output's name stands before publishing: free, ours already, replaceable, or refused with a reason."""

    kind: str  # free | ours | replaceable | refused
    code: str = ""
    message: str = ""
    remedy: str = ""


def standing(plan: Plan, there: Described | None) -> Standing:
    """Say whether the output may be published where an object (or none) stands.

    Another manifest's object is left alone unless `overwrite` says otherwise; a newer job's is left alone always.
    Job ids sort by the time of their manifest.
    """
    if there is None:
        return Standing("free")
    owner, manifest = there.meta.get(JOB_META, ""), there.meta.get(MANIFEST_META, "")
    if owner == plan.job_id:
        return Standing("ours")
    where, same = plan.output.ref.uri, manifest == manifest_label(plan)
    if owner > plan.job_id and (same or plan.output.overwrite):
        remedy = "Nothing to do: what is there is newer."
        return Standing("refused", "SUPERSEDED", f"{where} was made by the newer job {owner}", remedy)
    if same or plan.output.overwrite:
        return Standing("replaceable")
    remedy = "Choose another output key, remove the object, or set `overwrite: true`."
    return Standing("refused", "OUTPUT_EXISTS", f"{where} exists and is not of this manifest", remedy)


def manifest_label(plan: Plan) -> str:
    """Return the manifest's name as object metadata can carry it: ASCII, without blanks."""
    return quote(plan.manifest.ref.uri, safe="/:")
