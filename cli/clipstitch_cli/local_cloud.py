"""Runs the local cloud of a project for `up` and `demo`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipstitch.usecases.settings import read_settings
from clipstitch_cli.errors import LocalCloudError

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment


@contextmanager
def running_local_cloud(
    project: Path | None, env: Mapping[str, str] | None = None, faults: tuple[int, float] | None = None, **options: Any
) -> Iterator[dict[str, str]]:
    """Run the local cloud of a project, or an empty one; yield the variables for its clients. Raises LocalCloudError.

    `env` supplies the variables that s.yaml uses. `faults`: the seed of injected faults, and what multiplies their
    probabilities. `options` are those of `LocalCloud`: `data`, `port`, `time_scale`, `from_build`,
    `forbid_public_endpoint`.
    """
    from localyun.deploy.declared import BadDeployment  # noqa: PLC0415 - only where it is needed
    from localyun.server import CannotStart, FaultProfile, LocalCloud  # noqa: PLC0415 - likewise

    profile = FaultProfile(*faults) if faults else None
    approve = partial(_refuse_loops, project / "s.yaml") if project else None
    cloud = LocalCloud(project, variables=env, approve=approve, fault_profile=profile, **options)
    try:
        endpoints = cloud.start()
    except (BadDeployment, CannotStart, OSError) as error:
        raise LocalCloudError(str(error)) from error
    try:
        yield endpoints.environment() | ({} if project else endpoints.tool_environment())
    finally:
        cloud.stop()


def _refuse_loops(file: Path, deployment: "Deployment") -> None:
    """Raise LocalCloudError if a declared trigger fires for objects that the functions write themselves."""
    from clipstitch_cli.doctor.checks.triggers import too_broad  # noqa: PLC0415 - only where it is needed
    from clipstitch_cli.doctor.deployment_facts import declared_functions  # noqa: PLC0415 - likewise

    functions = declared_functions(deployment)
    environments = [function.environment for function in functions if "CLIPSTITCH_BUCKET" in function.environment]
    loops = dict.fromkeys(loop for env in environments for _, loop in too_broad(functions, read_settings(env)))
    if loops:
        raise LocalCloudError(f"{file} would trigger itself: {'; '.join(loops)}")
