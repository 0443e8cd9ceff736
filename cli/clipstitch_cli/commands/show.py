"""`clipstitch show`: everything that is known about one job."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import ObjectNotFound
from clipstitch.common.identifiers import ObjectRef, day_of, is_job_id
from clipstitch.jobs.completion_event import make_event
from clipstitch.jobs.job import DECISION, DELIVERED, PENDING, PROGRESS, RESULT, WAITING, Fact, Job, attempt_of, sink_of
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import parse_process
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JOBS, OPEN, JobStore
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.explain import clips_table
from clipstitch_cli.commands.jobs import STYLES, manifest_of
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display import process_text
from clipstitch_cli.errors import Usage, issues_table

MOST_NAMED = 5  # candidates that an ambiguous beginning lists; clips that a job waits for


class NoSuchJob(ObjectNotFound):
    """No job has that id."""

    code = "NO_SUCH_JOB"
    remedy = "`clipstitch jobs` lists the jobs; the beginning of an id is enough when only one job has it."


class Moment(NamedTuple):
    """A fact, when it became known, and what was written down with it."""

    at: str
    fact: Fact
    document: dict[str, Any]


def show(beginning: str, command: CommandContext, project: Path | None) -> int:
    """Show a job by its id, or by the beginning of it."""
    return show_in(connect(command, project), beginning, command)


def show_in(cloud: Context, beginning: str, command: CommandContext) -> int:
    """Show a job of a cloud."""
    store = cloud.store(cloud.settings.bucket)
    job = store.load(find_job(beginning, cloud))
    timeline = _timeline(job, store, cloud)
    if command.json:
        command.hand_over(_as_json(job, timeline, cloud))
    else:
        _tell(job, timeline, cloud, command)
    return exit_codes.OK


def find_job(beginning: str, cloud: Context) -> str:
    """Return the one job whose id begins so. `Usage` for nothing at all, which a script's empty variable may be."""
    if not beginning:
        raise Usage("the job's id is empty; name a job")
    found = sorted(set(_candidates(beginning, cloud)))
    if not found:
        raise NoSuchJob(f"no job's id begins with {beginning!r}")
    if len(found) > 1:
        named = ", ".join(found[:MOST_NAMED]) + (", ..." if len(found) > MOST_NAMED else "")
        raise Usage(f"{len(found)} jobs begin with {beginning!r}: {named}")
    return found[0]


def _candidates(beginning: str, cloud: Context) -> Iterator[str]:
    """Yield the ids that begin so, out of no more days than need be listed."""
    settings = cloud.settings
    bucket = settings.state_bucket or settings.bucket
    day = day_of(beginning).rstrip("-") if beginning[:8].isdecimal() else ""
    for prefix, place in ((settings.state_prefix + JOBS + day, 1), (settings.state_prefix + OPEN + beginning, 0)):
        base = settings.state_prefix + (JOBS if place else OPEN)
        for key in (found.key for found in cloud.objects.list(bucket, prefix)):
            parts = key.removeprefix(base).split("/")
            if len(parts) > place and is_job_id(parts[place]) and parts[place].startswith(beginning):
                yield parts[place]


def _timeline(job: Job, store: JobStore, cloud: Context) -> list[Moment]:
    """Put the facts in order of time."""
    moments = [_moment(job.id, fact, store, cloud) for fact in job.facts]
    return sorted(moments, key=lambda moment: (moment.at, -PROGRESS.index(moment.fact.kind), moment.fact))


def _moment(job_id: str, fact: Fact, store: JobStore, cloud: Context) -> Moment:
    """Read a fact; one without a time of its own has that of its object."""
    document = dict(store.document(job_id, fact))
    settings = cloud.settings
    key = f"{settings.state_prefix}{JOBS}{day_of(job_id)}/{job_id}/{fact.name}"
    at = document.get("at")
    if at is None:
        about = cloud.objects.describe(ObjectRef(settings.state_bucket or settings.bucket, key))
        at = timestamp(about.last_modified)
    return Moment(str(at), fact, document)


def _as_json(job: Job, timeline: list[Moment], cloud: Context) -> dict[str, Any]:
    """Return a job as programs read it."""
    finished = job.decision is not None and job.state != "publishing"
    return {
        "job": job.id,
        "state": job.state,
        "closed": job.closed,
        "manifest": manifest_of(job, cloud),
        "facts": [
            {"at": moment.at, **moment.fact._asdict(), "name": moment.fact.name, "document": moment.document}
            for moment in timeline
        ],
        "plan": job.plan.as_json() if job.plan else None,
        "decision": job.decision.as_json() if job.decision else None,
        "result": job.result.as_json() if job.result else None,
        "event": make_event(job) if finished else None,
    }


def _tell(job: Job, timeline: list[Moment], cloud: Context, command: CommandContext) -> None:
    """Show a job to people."""
    note = "" if job.closed else " (open)"
    command.say(Text.assemble((job.id, "bold"), "  ", (job.state + note, STYLES.get(job.state, "yellow"))))
    command.say(Text.assemble(("manifest  ", "dim"), visible(manifest_of(job, cloud))))
    if job.plan:
        _tell_plan(job.plan, command)
    command.say("timeline", style="dim")
    for moment in timeline:
        command.say(Text.assemble("  ", (moment.at, "dim"), f"  {_fact_words(moment)}"))
    _tell_end(job, command)


def _tell_plan(plan: Plan, command: CommandContext) -> None:
    """Show where the output goes and how it is made."""
    command.say(Text.assemble(("output    ", "dim"), visible(plan.output.ref.uri)))
    command.say(Text.assemble(("expected  ", "dim"), process_text.seconds(plan.duration_s * 1000)))
    for step in plan.steps:
        command.say(Text.assemble((f"step {step.number + 1}    ", "dim"), f"posted to {visible(step.main.uri)}"))
        command.out.print(clips_table(parse_process(step.process), step.main.key))


def _fact_words(moment: Moment) -> str:
    """Say a fact."""
    fact = moment.fact
    if fact.kind == DELIVERED:
        return f"told {visible(fact.detail)}{_trouble(moment)}"
    if fact.kind == PENDING:
        return f"owed to {visible(sink_of(fact))} after attempt {attempt_of(fact)}{_trouble(moment)}"
    if fact.step is None:
        return f"{fact.kind}{_outcome(moment)}"
    why = f": {visible(str(moment.document['message']))}" if "message" in moment.document else ""
    return f"step {fact.step + 1} {fact.kind}, task {visible(fact.detail)}{why}"


def _trouble(moment: Moment) -> str:
    """Say why a sink could not be told."""
    error = moment.document.get("error")
    return f", in vain: {visible(error['message'])} [{error['code']}]" if error else ""


def _outcome(moment: Moment) -> str:
    """Say what was decided, where a fact decides, or what it waits for."""
    if moment.fact.kind == WAITING:
        return f" until {moment.document['until']}: {_missing(moment.document['missing'])}"
    if moment.fact.kind == DECISION:
        return f": {moment.document['kind']}"
    if moment.fact.kind == RESULT:
        return ": published" if moment.document["output"] else ": cannot be published"
    return ""


def _missing(issues: list[dict[str, str]]) -> str:
    """Name what is missing, the first few of many."""
    named = "; ".join(visible(issue["message"]) for issue in issues[:MOST_NAMED])
    more = len(issues) - MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def _tell_end(job: Job, command: CommandContext) -> None:
    """Show how it ended: the output, or why there is none."""
    if job.result and job.result.output and job.plan:
        made = job.result.output
        length = process_text.seconds(made.duration_ms)
        command.say(
            Text.assemble(("published ", "dim"), f"{visible(job.plan.output.ref.uri)}, {length}, {made.size:,} bytes")
        )
    error = (job.decision.error if job.decision else None) or (job.result.error if job.result else None)
    if error:
        command.say(Text.assemble(("error     ", "bold red"), f"{visible(error.message)} [{error.code}]"))
        command.say(Text.assemble(("remedy    ", "dim"), visible(error.remedy)))
    if job.decision and job.decision.issues:
        command.out.print(issues_table(job.decision.issues))
