"""Reads what the settings and the deployment files declare, and the account that SMQ's endpoint names."""

from pathlib import Path

from clipstitch.usecases.settings import Settings
from clipstitch_cli.connection import DEAD_LETTER_QUEUE, dead_letter_queue, deployment_of
from clipstitch_cli.context import CommandContext
from clipstitch_cli.doctor.deployment_facts import ExpectedDeployment, declared_functions
from clipstitch_cli.errors import LocalCloudError

ACCOUNT = "ALIBABA_CLOUD_ACCOUNT_ID"
DEFAULT_STACK = "clipstitch"  # as in s.yaml


def expected_deployment(
    command: CommandContext, project: Path | None, settings: Settings, key_id: str
) -> ExpectedDeployment:
    """Return what should be deployed."""
    queue = command.env.get(DEAD_LETTER_QUEUE, "")
    stack = command.env.get("CLIPSTITCH_PREFIX") or DEFAULT_STACK
    try:
        deployment = deployment_of(project, {ACCOUNT: account_of(settings.mns_endpoint), **command.env})
    except LocalCloudError as error:
        return ExpectedDeployment(settings, key_id, dead_letter_queue=queue, files_error=str(error), stack=stack)
    imm_project = settings.imm_project or next(iter(deployment.projects), None)
    functions = declared_functions(deployment)
    queue = queue or dead_letter_queue(deployment)
    return ExpectedDeployment(settings._replace(imm_project=imm_project), key_id, functions, queue, stack=stack)


def account_of(mns_endpoint: str) -> str:
    """Return the account that SMQ's endpoint begins with; the local cloud's if it names none.

    >>> account_of("https://1186202104331798.mns.cn-hangzhou.aliyuncs.com")
    '1186202104331798'
    """
    from localyun.deploy.project import DEFAULT_ACCOUNT  # noqa: PLC0415 - only where it is needed

    account, named, _ = mns_endpoint.rpartition("/")[2].partition(".mns.")
    return account if named else DEFAULT_ACCOUNT
