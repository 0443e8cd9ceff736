"""From an environment to a cloud: what the shell says counts, what the project's own deployment says fills the rest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import InvalidSettings
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, read_settings
from clipstitch_cli.context import CommandContext
from clipstitch_cli.errors import LocalCloudTrouble

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment

FROM_DEPLOYMENT = ("CLIPSTITCH_COMPLETION_TOPIC", "CLIPSTITCH_SINKS")
OF_WEBHOOKS = "CLIPSTITCH_WEBHOOK_"  # what the variables begin with that belong to the webhooks among the sinks
# Function Compute's names for the key come first for functions. Here the names that `up` prints must win over a key for
# the real cloud that the shell may also hold.
_RUNTIME_KEY = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


class NotConnected(InvalidSettings):
    """The environment does not say which cloud is meant."""

    remedy = (
        "For the local cloud: run `clipstitch up --env-file clipstitch.env` in another terminal, then "
        "`. ./clipstitch.env` here. For the real one: set the variables as docs/settings.md describes them."
    )


def connect(command: CommandContext, project: Path | None) -> Context:
    """Build the cloud that the environment names; one error names everything that is missing."""
    env = connected_environment(command.env, project)
    from clipstitch.bootstrap import build_context  # noqa: PLC0415 - brings the SDKs, which `explain` must not pay for

    return build_context(env, clock=command.clock)


def connected_environment(env: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Return the complete environment, or raise `NotConnected` with everything that is missing or wrong in it."""
    if problems := _problems({FROM_DEPLOYMENT[0]: "the deployment names it", **env}):
        raise NotConnected("; ".join(problems))
    complete = complete_environment(env, project)
    if problems := _problems(complete):
        raise NotConnected("; ".join(problems))
    return complete


def complete_environment(env: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Return the environment with what the deployment gives its functions where the shell says nothing."""
    known = {name: value for name, value in env.items() if not (name in _RUNTIME_KEY and env.get("OSS_ACCESS_KEY_ID"))}
    if all(name in env for name in FROM_DEPLOYMENT):
        return known
    functions = deployment_of(project, env).functions
    declared = {name: value for function in functions for name, value in function.environment.items()}
    wanted = {name: value for name, value in declared.items() if name in FROM_DEPLOYMENT or OF_WEBHOOKS in name}
    return {**wanted, **known}


def project_folder(project: Path | None) -> Path:
    """Return the folder with s.yaml: the one that was named, else the checkout that this command was installed from."""
    folder = project or Path(__file__).resolve().parents[2]
    if not (folder / "s.yaml").is_file():
        message = f"there is no s.yaml in {folder}; name the project's folder with --project"
        raise LocalCloudTrouble(message)
    return folder


def deployment_of(project: Path | None, env: Mapping[str, str]) -> "Deployment":
    """Return what the project's deployment files declare."""
    from localyun.deploy.declared import BadDeployment  # noqa: PLC0415 - only where it is needed
    from localyun.deploy.project import read  # noqa: PLC0415 - likewise

    try:
        return read(project_folder(project), env)
    except BadDeployment as error:
        raise LocalCloudTrouble(str(error)) from error


def endpoint_of(service: str, env: Mapping[str, str], settings: Settings) -> str:
    """Return a service's address: as the shell says, else the vendor's own where OSS's is the vendor's; else "".

    Addresses: clients alibabacloud-fc20230330 4.8 and alibabacloud-imm20200930 5.0, read 2026-11.
    """
    if endpoint := env.get(f"{service}_ENDPOINT"):
        return endpoint
    if not settings.oss_endpoint.rstrip("/").endswith(".aliyuncs.com"):
        return ""
    return f"https://{'fcv3' if service == 'FC' else 'imm'}.{settings.oss_region}.aliyuncs.com"


def _problems(env: Mapping[str, str]) -> list[str]:
    """List everything that the environment lacks."""
    return [problem for problem in (_problem(read_settings, env), _problem(read_access_key, env)) if problem]


def _problem(read: Callable[[Mapping[str, str]], object], env: Mapping[str, str]) -> str:
    """Say what keeps a part of the settings from being read; nothing when it can be."""
    try:
        read(env)
    except InvalidSettings as error:
        return str(error)
    return ""
