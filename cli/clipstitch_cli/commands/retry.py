"""`clipstitch retry`: recovers a job, submits a manifest again, or retries all dead-letter messages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch.usecases import recover
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from clipstitch_cli import connection, exit_codes
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_text import job_line
from clipstitch_cli.errors import UsageError
from clipstitch_cli.function_compute.retry_remotely import DeployedFunctions, function_names
from clipstitch_cli.options import Json, Project, command_of
from clipstitch_cli.stored_jobs import find_job_id, pending_sinks

if TYPE_CHECKING:
    from clipstitch_cli.function_compute.dead_letters import DeadLetterQueue, RetriedMessage


def retry(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="A job id or a prefix of one, or the URI or key of a manifest.")] = "",
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="Retry all dead-letter messages.")] = False,
    invoke: Annotated[
        bool, typer.Option("--invoke", help="Let the deployed functions do it, with their rights.")
    ] = False,
    service: Annotated[str, typer.Option(help="Invoke through the FC 2.0 API, in this service; default: 3.0.")] = "",
    _json: Json = False,
    project: Project = None,
) -> int:
    """Recover a job now, submit a manifest again, or retry all dead-letter messages."""
    command = command_of(ctx)
    if dead_letters == bool(what):
        raise UsageError("name a job or a manifest, or use --dead-letters")
    if service and not invoke:
        raise UsageError("--service needs --invoke")
    context = connection.connect(command, project)
    deployed = _deployed_functions(context, service, command, project) if invoke else None
    if not dead_letters:
        return retry_job(context, what, command, deployed)
    from clipstitch_cli.smq_queue import SmqQueue, smq_account  # noqa: PLC0415 - loads the SMQ SDK

    key = read_access_key(connection.complete_environment(command.env, project))
    queue = SmqQueue(smq_account(context.settings.mns_endpoint, key), _queue_name(command, project))
    return retry_dead_letters(context, queue, command, deployed)


def _deployed_functions(
    context: Context, service: str, command: CommandContext, project: Path | None
) -> DeployedFunctions:
    if not (endpoint := connection.endpoint_of("FC", command.env, context.settings)):
        raise InvalidSettings("FC_ENDPOINT is not set")
    names = function_names(function.name for function in connection.deployment_of(project, command.env).functions)
    from clipstitch_cli.function_compute.clients import Fc2Invoker, Fc3Invoker  # noqa: PLC0415 - loads the FC SDKs

    key = read_access_key(connection.complete_environment(command.env, project))
    invoker = Fc2Invoker(endpoint, key, service) if service else Fc3Invoker(endpoint, key)
    return DeployedFunctions(invoker, context, *names)


def _queue_name(command: CommandContext, project: Path | None) -> str:
    """Return the name of the dead-letter queue: the shell's, otherwise the deployment's."""
    if name := command.env.get(connection.DEAD_LETTER_QUEUE) or connection.dead_letter_queue(
        connection.deployment_of(project, command.env)
    ):
        return name
    raise InvalidSettings("CLIPSTITCH_DEAD_LETTER_QUEUE is not set, and the deployment has no DeadLetterQueueArn")


def retry_job(context: Context, what: str, command: CommandContext, deployed: DeployedFunctions | None = None) -> int:
    """Recover a job, or submit a manifest again; return the exit code of the job's state if the job is closed."""
    job = (_submit if "/" in what else _recover)(what, context, deployed)
    command.write(lambda: _as_json(job), lambda: command.write_line(job_line(job)))
    return exit_codes.BY_STATE[job.state] if job.closed else exit_codes.OK


def _submit(manifest: str, context: Context, deployed: DeployedFunctions | None) -> Job:
    settings = context.settings
    try:
        ref = ObjectRef.parse(manifest) if manifest.startswith("oss://") else ObjectRef(settings.bucket, manifest)
    except ValueError as error:
        raise UsageError(f"{visible(manifest)!r} is no object; write oss://bucket/key") from error
    if not ref.key.startswith(settings.manifest_prefix):
        raise UsageError(f"{visible(ref.uri)} would start no job: keys begin with {settings.manifest_prefix}")
    if (job := deployed.submit(ref) if deployed else submit(ref, context)) is None:
        raise ObjectNotFound(f"{ref.uri} does not exist")
    return job


def _recover(id_prefix: str, context: Context, deployed: DeployedFunctions | None) -> Job:
    job_id = find_job_id(id_prefix, context)
    return deployed.recover(job_id) if deployed else recover.retry(job_id, context)


def _as_json(job: Job) -> dict[str, Any]:
    return {"job": job.id, "state": job.state, "closed": job.closed, "pending": pending_sinks(job)}


def retry_dead_letters(
    context: Context, queue: "DeadLetterQueue", command: CommandContext, deployed: DeployedFunctions | None = None
) -> int:
    """Retry all dead-letter messages; return ERROR if some stay in the queue."""
    from clipstitch_cli.function_compute.dead_letters import retry_all, run_here, run_remotely  # noqa: PLC0415 - as above

    retried = []
    for one in retry_all(queue, run_remotely(deployed) if deployed else run_here(context)):
        retried.append(one)
        if not command.json:
            _write_retried(one, command)
    if command.json:
        command.write_json([_retried_as_json(one) for one in retried])
    elif not retried:
        command.write_line("no dead-letter messages")
    else:
        for remedy in dict.fromkeys(one.error.remedy for one in retried if one.error and one.error.remedy):
            command.write_note(("remedy: ", "bold"), remedy, style="")
    return exit_codes.ERROR if any(one.error for one in retried) else exit_codes.OK


def _retried_as_json(one: "RetriedMessage") -> dict[str, Any]:
    error = one.error.as_json() if one.error else None
    return {"message": one.id, "done": not error, "jobs": [_as_json(job) for job in one.jobs], "error": error}


def _write_retried(one: "RetriedMessage", command: CommandContext) -> None:
    if one.error:
        command.write_line((f"{one.id}  not retried: ", "red"), f"{visible(str(one.error))} [{one.error.code}]")
    for job in one.jobs:
        command.write_line(job_line(job))
    if not (one.error or one.jobs):
        command.write_line(f"{one.id}  nothing to do")
