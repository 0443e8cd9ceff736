"""From an environment to a connected context: the shell's variables win, the project's s.yaml supplies the rest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli.context import CommandContext
from clipstitch_cli.errors import LocalCloudError

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment

FROM_DEPLOYMENT = (
    *("CLIPSTITCH_COMPLETION_TOPIC", "CLIPSTITCH_SINKS"),
    *("CLIPSTITCH_OUTPUT_PREFIXES", "CLIPSTITCH_OUTPUT_BUCKETS"),
)
WEBHOOK_VARIABLES = "CLIPSTITCH_WEBHOOK_"  # prefix of the variables that describe the webhooks among the sinks
DEAD_LETTER_QUEUE = "CLIPSTITCH_DEAD_LETTER_QUEUE"
# In a function, Function Compute's names for the key win. On the command line the names that `up` prints must win over
# a key for the real cloud that the shell may also hold.
_RUNTIME_KEY = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


class CloudNotConfigured(InvalidSettings):
    """The environment does not say which cloud to use."""

    remedy = (
        "For the local cloud: run `clipstitch up --env-file clipstitch.env` in another terminal, then "
        "`. ./clipstitch.env` here. For the real one: set the variables described in docs/settings.md."
    )


def connect(command: CommandContext, project: Path | None) -> Context:
    """Build the context that the environment names. Raises CloudNotConfigured with everything that is missing."""
    env = connected_environment(command.env, project)
    from clipstitch.bootstrap import build_context  # noqa: PLC0415 - loads the SDKs, which `explain` does not need

    return build_context(env, clock=command.clock)


def connected_environment(env: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Return the complete environment. Raises CloudNotConfigured with everything that is missing or wrong in it."""
    _check({FROM_DEPLOYMENT[0]: "from the deployment", **env})
    complete = complete_environment(env, project)
    _check(complete)
    return complete


def complete_environment(env: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Return the environment, completed with the variables that the deployment gives its functions."""
    known = {name: value for name, value in env.items() if not (name in _RUNTIME_KEY and env.get("OSS_ACCESS_KEY_ID"))}
    if all(name in env for name in FROM_DEPLOYMENT):
        return known
    declared = {
        name: value
        for function in deployment_of(project, env).functions
        for name, value in function.environment.items()
        if name in FROM_DEPLOYMENT or WEBHOOK_VARIABLES in name
    }
    return {**declared, **known}


def project_folder(project: Path | None) -> Path:
    """Return the folder with s.yaml: the given one, or the checkout from which this command was installed."""
    folder = project or Path(__file__).resolve().parents[2]
    if not (folder / "s.yaml").is_file():
        raise LocalCloudError(f"there is no s.yaml in {folder}; name the project's folder with --project")
    return folder


def deployment_of(project: Path | None, env: Mapping[str, str]) -> "Deployment":
    """Return what the project's deployment files declare. Raises LocalCloudError if they are not valid."""
    from localyun.deploy.declared import BadDeployment  # noqa: PLC0415 - only where it is needed
    from localyun.deploy.project import read  # noqa: PLC0415 - likewise

    try:
        return read(project_folder(project), env)
    except BadDeployment as error:
        raise LocalCloudError(str(error)) from error


def dead_letter_queue(deployment: "Deployment") -> str:
    """Return the name of the queue in the stack's output DeadLetterQueueArn; "" if there is none."""
    return deployment.outputs.get("DeadLetterQueueArn", "").partition("/queues/")[2].partition("/")[0]


def endpoint_of(service: str, env: Mapping[str, str], settings: Settings) -> str:
    """Return the endpoint of FC, IMM or ROS: the shell's; the vendor's if OSS_ENDPOINT is the vendor's; otherwise "".

    Endpoints: clients alibabacloud-fc20230330 4.8 and alibabacloud-imm20200930 5.0, read 2026-11; ROS has one for all
    regions, and another for the international site.
    """
    if endpoint := env.get(f"{service}_ENDPOINT"):
        return endpoint
    if not settings.oss_endpoint.rstrip("/").endswith(".aliyuncs.com"):
        return ""
    if service == "ROS":
        return "https://ros.aliyuncs.com"
    return f"https://{'fcv3' if service == 'FC' else 'imm'}.{settings.oss_region}.aliyuncs.com"


def _check(env: Mapping[str, str]) -> None:
    readers: tuple[Callable[[Mapping[str, str]], object], ...] = (read_settings, read_access_key)
    errors = []
    for read in readers:
        try:
            read(env)
        except InvalidSettings as error:
            errors.append(str(error))
    if errors:
        raise CloudNotConfigured("; ".join(errors))
