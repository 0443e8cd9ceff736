"""Runs the local cloud of a project for `up` and `demo`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clipstitch.usecases.settings import read_settings
from clipstitch_cli.errors import LocalCloudError

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment


class LocalCloudOptions(NamedTuple):
    """How the local cloud runs.

    `time_scale` divides the delays of timers and retries. `from_build`: it runs what build.py made. `fault_seed`: it
    injects faults; `fault_rate` multiplies their probabilities. `data`: where state is kept, default a temporary
    folder. `port`: the first of four, 0 for free ones.
    """

    data: Path | None = None
    port: int = 0
    from_build: bool = False
    time_scale: float = 1.0
    fault_seed: int | None = None
    fault_rate: float = 1.0


DEFAULTS = LocalCloudOptions()


@contextmanager
def running_local_cloud(
    project: Path, env: Mapping[str, str] | None = None, options: LocalCloudOptions = DEFAULTS
) -> Iterator[dict[str, str]]:
    """Run the local cloud of a project; yield the variables for its clients. Raises LocalCloudError.

    `env` supplies the variables that s.yaml uses.
    """
    from localyun.deploy.declared import BadDeployment  # noqa: PLC0415 - only where it is needed
    from localyun.server import CannotStart, FaultProfile, LocalCloud  # noqa: PLC0415 - likewise

    faults = None if options.fault_seed is None else FaultProfile(options.fault_seed, options.fault_rate)
    cloud = LocalCloud(
        project,
        data=options.data,
        port=options.port,
        variables=env,
        approve=partial(_refuse_loops, project / "s.yaml"),
        time_scale=options.time_scale,
        from_build=options.from_build,
        fault_profile=faults,
    )
    try:
        endpoints = cloud.start()
    except (BadDeployment, CannotStart, OSError) as error:
        raise LocalCloudError(str(error)) from error
    try:
        yield endpoints.environment()
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
