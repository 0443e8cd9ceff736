"""`clipstitch retry`: bring on its way again what is stuck: a job, a manifest, or what Function Compute gave up on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch.usecases import recover
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.jobs import STYLES, owed_to
from clipstitch_cli.commands.show import find_job
from clipstitch_cli.connection import complete_environment, connect, deployment_of, endpoint_of
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.errors import Usage
from clipstitch_cli.function_compute.retry_remotely import Deployed, function_names

if TYPE_CHECKING:
    from clipstitch_cli.function_compute.dead_letters import Answered, Letters

QUEUE_NAME, QUEUE_ARN = "CLIPSTITCH_DEAD_LETTER_QUEUE", "DeadLetterQueueArn"


class How(NamedTuple):
    """What is retried, and by whom: by this process unless `invoke`; a service is found in the API 2.0 only."""

    dead_letters: bool = False
    invoke: bool = False
    service: str = ""


def retry(what: str, command: CommandContext, project: Path | None, how: How) -> int:
    """Retry one thing, or all dead letters."""
    if how.dead_letters == bool(what):
        raise Usage("name a job or a manifest, or say --dead-letters")
    if how.service and not how.invoke:
        raise Usage("--service says where to invoke; say --invoke, too")
    cloud = connect(command, project)
    deployed = _deployed(cloud, how.service, command, project) if how.invoke else None
    if not how.dead_letters:
        return retry_in(cloud, what, command, deployed)
    from clipstitch_cli.function_compute.dead_letters import SmqLetters  # noqa: PLC0415 - brings the SMQ SDK

    key = read_access_key(complete_environment(command.env, project))
    return retry_letters(
        cloud, SmqLetters(cloud.settings.mns_endpoint, key, _queue(command, project)), command, deployed
    )


def _deployed(cloud: Context, service: str, command: CommandContext, project: Path | None) -> Deployed:
    """Find the deployed functions, and a way to call them."""
    if not (endpoint := endpoint_of("FC", command.env, cloud.settings)):
        raise InvalidSettings("FC_ENDPOINT is not set")
    submit_name, sweep_name = function_names(one.name for one in deployment_of(project, command.env).functions)
    from clipstitch_cli.function_compute.clients import Fc2, Fc3  # noqa: PLC0415 - brings the SDKs of Function Compute

    key = read_access_key(complete_environment(command.env, project))
    invoker = Fc2(endpoint, key, service) if service else Fc3(endpoint, key)
    return Deployed(invoker, cloud, submit_name, sweep_name)


def _queue(command: CommandContext, project: Path | None) -> str:
    """Name the queue of dead letters: as the shell says, else as the deployment does."""
    if name := command.env.get(QUEUE_NAME):
        return name
    arn = deployment_of(project, command.env).outputs.get(QUEUE_ARN, "")
    if not (name := arn.partition("/queues/")[2].partition("/")[0]):
        raise InvalidSettings(f"{QUEUE_NAME} is not set, and the deployment has no output {QUEUE_ARN}")
    return name


def retry_in(cloud: Context, what: str, command: CommandContext, deployed: Deployed | None = None) -> int:
    """Bring a job on, or submit a manifest again; the exit code says how the job ended, if it has."""
    job = _submitted(what, cloud, deployed) if "/" in what else _advanced(what, cloud, deployed)
    if command.json:
        command.hand_over(_as_json(job))
    else:
        command.say(_line(job))
    return exit_codes.BY_STATE[job.state] if job.closed else exit_codes.OK


def _submitted(manifest: str, cloud: Context, deployed: Deployed | None) -> Job:
    """Submit a manifest again."""
    bucket = cloud.settings.bucket
    try:
        ref = ObjectRef.parse(manifest) if manifest.startswith("oss://") else ObjectRef(bucket, manifest)
    except ValueError as error:
        raise Usage(f"{visible(manifest)!r} is no object; write oss://bucket/key") from error
    if not ref.key.startswith(cloud.settings.manifest_prefix):
        raise Usage(f"{visible(ref.uri)} would start no job: keys begin with {cloud.settings.manifest_prefix}")
    if (job := deployed.submit(ref) if deployed else submit(ref, cloud)) is None:
        raise ObjectNotFound(f"{ref.uri} does not exist")
    return job


def _advanced(beginning: str, cloud: Context, deployed: Deployed | None) -> Job:
    """Do for a job now what a sweep does in time, or have it done."""
    job_id = find_job(beginning, cloud)
    if deployed:
        return deployed.bring_on(job_id)
    return recover.retry(job_id, cloud.store(cloud.settings.bucket), cloud)


def _as_json(job: Job) -> dict[str, Any]:
    """Return a job as programs read it."""
    return {"job": job.id, "state": job.state, "closed": job.closed, "owed": owed_to(job)}


def _line(job: Job) -> Text:
    """Show a job to people."""
    note = "" if job.closed else " (open)"
    pending = f"  still owed to {', '.join(map(visible, owed_to(job)))}" if owed_to(job) else ""
    return Text.assemble((job.id, "bold"), "  ", (job.state + note, STYLES.get(job.state, "yellow")), pending)


def retry_letters(cloud: Context, letters: "Letters", command: CommandContext, deployed: Deployed | None = None) -> int:
    """Answer all dead letters; trouble when some stay."""
    from clipstitch_cli.function_compute.dead_letters import answer_all, here, there  # noqa: PLC0415 - as above

    answered = []
    for one in answer_all(letters, there(deployed) if deployed else here(cloud)):
        answered.append(one)
        if not command.json:
            _tell_letter(one, command)
    if command.json:
        command.hand_over([_letter_as_json(one) for one in answered])
    elif not answered:
        command.say("no dead letters")
    return exit_codes.TROUBLE if any(one.error for one in answered) else exit_codes.OK


def _letter_as_json(one: "Answered") -> dict[str, Any]:
    """Return what became of a letter as programs read it."""
    error = one.error.as_json() if one.error else None
    return {"letter": one.letter, "done": not error, "jobs": [_as_json(job) for job in one.jobs], "error": error}


def _tell_letter(one: "Answered", command: CommandContext) -> None:
    """Show what became of a letter to people."""
    if one.error:
        command.say(Text.assemble((f"{one.letter}  stays: ", "red"), f"{visible(str(one.error))} [{one.error.code}]"))
    for job in one.jobs:
        command.say(_line(job))
    if not (one.error or one.jobs):
        command.say(f"{one.letter}  nothing to do")
