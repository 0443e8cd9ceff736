"""`clipstitch show`: shows everything that is known about one job, or about a media task that no job has started."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import typer

from clipstitch.common.clock import timestamp
from clipstitch.common.credentials import read_access_key
from clipstitch.jobs.completion_event import make_event
from clipstitch.jobs.job import DECISION, DELIVERED, PENDING, PROGRESS, RESULT, WAITING, Fact, Job, PendingDelivery
from clipstitch.planning.process_string import parse_process
from clipstitch.planning.render_spec import spec_of
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import read_settings
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect, connected_environment, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_text import state_text
from clipstitch_cli.display.process_table import clips_table
from clipstitch_cli.display.process_text import format_ms
from clipstitch_cli.display.render_text import format_spec
from clipstitch_cli.errors import issues_table
from clipstitch_cli.options import Json, Project, command_of
from clipstitch_cli.stored_jobs import find_job_id, manifest_uri

TASK_PREFIX = "MediaConvert-"
MAX_MISSING = 5  # missing clips that are listed


class TimelineEntry(NamedTuple):
    """A fact, when it was recorded, and its document."""

    at: str
    fact: Fact
    document: dict[str, Any]


def show(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="A job id, or a prefix of one; or the id of a media task.")],
    _json: Json = False,
    project: Project = None,
) -> int:
    """Show everything that is known about a job, or about a media task of your own."""
    command = command_of(ctx)
    if job.startswith(TASK_PREFIX):
        return show_task(connected_environment(command.env, project), job, command)
    return show_job(connect(command, project), job, command)


def show_task(env: Mapping[str, str], task_id: str, command: CommandContext) -> int:
    """Show what IMM knows about a task, and why its notification is lost. Raises TaskNotFound."""
    from clipstitch_cli.media_tasks import find_task  # noqa: PLC0415 - loads the vendor's client, like the next
    from clipstitch_cli.openapi import client_config  # noqa: PLC0415

    settings, key = read_settings(env), read_access_key(env)
    task = find_task(task_id, client_config(endpoint_of("IMM", env, settings), key, settings.oss_region))
    command.write(lambda: task, lambda: _write_task(task, command))
    return exit_codes.OK


def _write_task(task: Mapping[str, Any], command: CommandContext) -> None:
    definition = json.loads(task.get("TaskRequestDefinition") or "{}")
    command.write_line((task["TaskId"], "bold"), f"  {task['Status']}")
    command.write_line(("project   ", "dim"), visible(task["ProjectName"]))
    for name, uris in (("source    ", definition.get("Sources")), ("target    ", definition.get("Targets"))):
        for entry in uris or ():
            command.write_line((name, "dim"), visible(entry["URI"]))
    if task.get("Code"):
        command.write_line(("error     ", "bold red"), f"{visible(task['Message'])} [{task['Code']}]")
    if lost := task.get("LostNotification"):
        command.write_line(("notification lost  ", "bold red"), visible(lost))


def show_job(context: Context, id_prefix: str, command: CommandContext) -> int:
    """Show the job whose id has a prefix. Raises JobNotFound, and UsageError if there are several."""
    job = context.store.load(find_job_id(id_prefix, context))
    timeline = _timeline(job, context)
    command.write(lambda: _as_json(job, timeline, context), lambda: _write_job(job, timeline, context, command))
    return exit_codes.OK


def _timeline(job: Job, context: Context) -> list[TimelineEntry]:
    entries = [_entry(job, fact, context) for fact in job.facts]
    return sorted(entries, key=lambda entry: (entry.at, -PROGRESS.index(entry.fact.kind), entry.fact))


def _entry(job: Job, fact: Fact, context: Context) -> TimelineEntry:
    """Return a fact with its time, or with the time of its object if its document has none."""
    document = dict(context.store.document(job.id, fact))
    return TimelineEntry(str(document.get("at") or timestamp(job.facts[fact])), fact, document)


def _as_json(job: Job, timeline: list[TimelineEntry], context: Context) -> dict[str, Any]:
    finished = job.decision is not None and job.state != "publishing"
    return {
        "job": job.id,
        "state": job.state,
        "closed": job.closed,
        "manifest": manifest_uri(job, context),
        "facts": [
            {"at": entry.at, **entry.fact._asdict(), "name": entry.fact.name, "document": entry.document}
            for entry in timeline
        ],
        "plan": job.plan.as_json() if job.plan else None,
        "decision": job.decision.as_json() if job.decision else None,
        "result": job.result.as_json() if job.result else None,
        "event": make_event(job) if finished else None,
    }


def _write_job(job: Job, timeline: list[TimelineEntry], context: Context, command: CommandContext) -> None:
    command.write_line((job.id, "bold"), "  ", state_text(job.state, is_open=not job.closed))
    command.write_line(("manifest  ", "dim"), visible(manifest_uri(job, context)))
    if job.plan:
        command.write_line(("output    ", "dim"), visible(job.plan.output.ref.uri))
        command.write_line(("expected  ", "dim"), format_ms(job.plan.duration_s * 1000))
        for step in job.plan.steps:
            if step.render:
                words = "; ".join(format_spec(spec_of(step)))
                command.write_line((f"step {step.number + 1}    ", "dim"), f"rendered: {words}")
                continue
            command.write_line((f"step {step.number + 1}    ", "dim"), f"posted to {visible(step.main.uri)}")
            command.out.print(clips_table(parse_process(step.process), step.main.key))
    command.write_line(("timeline", "dim"))
    for entry in timeline:
        command.write_line("  ", (entry.at, "dim"), f"  {_fact_text(entry)}")
    _write_result(job, command)


def _fact_text(entry: TimelineEntry) -> str:
    fact, document = entry.fact, entry.document
    error = document.get("error")
    failure = f", failed: {visible(error['message'])} [{error['code']}]" if error else ""
    if fact.kind == DELIVERED:
        return f"delivered to {visible(fact.detail)}{failure}"
    if fact.kind == PENDING:
        delivery = PendingDelivery.parse(fact)
        return f"delivery to {visible(delivery.sink)} pending after attempt {delivery.attempt}{failure}"
    if fact.step is None:
        return f"{fact.kind}{_outcome(entry)}"
    reason = f": {visible(str(document['message']))}" if "message" in document else ""
    return f"step {fact.step + 1} {fact.kind}, task {visible(fact.task)}{reason}"


def _outcome(entry: TimelineEntry) -> str:
    """Return what was decided, or which clips the job waits for; "" for other facts."""
    document = entry.document
    if entry.fact.kind == WAITING:
        missing = [visible(issue["message"]) for issue in document["missing"]]
        more = f"; and {len(missing) - MAX_MISSING} more" if len(missing) > MAX_MISSING else ""
        return f" until {document['until']}: {'; '.join(missing[:MAX_MISSING])}{more}"
    if entry.fact.kind == DECISION:
        return f": {document['kind']}"
    if entry.fact.kind == RESULT:
        return ": published" if document["output"] else ": cannot be published"
    return ""


def _write_result(job: Job, command: CommandContext) -> None:
    """Write the published output, or why there is none."""
    if job.result and job.result.output and job.plan:
        output, uri = job.result.output, visible(job.plan.output.ref.uri)
        command.write_line(("published ", "dim"), f"{uri}, {format_ms(output.duration_ms)}, {output.size:,} bytes")
    error = (job.decision.error if job.decision else None) or (job.result.error if job.result else None)
    if error:
        command.write_line(("error     ", "bold red"), f"{visible(error.message)} [{error.code}]")
        command.write_line(("remedy    ", "dim"), visible(error.remedy))
    if job.decision and job.decision.issues:
        command.out.print(issues_table(job.decision.issues))
