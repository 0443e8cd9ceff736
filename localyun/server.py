"""The local cloud: reads a project, creates its services, serves them over HTTP, and stops them.

with LocalCloud(Path(".")) as endpoints:
    print(endpoints.environment())
"""

import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from pathlib import Path

from starlette.types import ASGIApp

from localyun.clock import CloudClock, HostClock
from localyun.data_dir import CannotStart, DataDir
from localyun.deploy.declared import Deployment
from localyun.deploy.project import read
from localyun.faults import NO_FAULTS, FaultInjector, FaultProfile
from localyun.fc.http.routes import FcEndpoint
from localyun.http import asgi_app
from localyun.imm.http.routes import ImmEndpoint
from localyun.listeners import Listeners, bind
from localyun.oss.http.routes import OssEndpoint
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.policies import AccessCheck, Authorizer
from localyun.services import ServiceContext, Services, make_services
from localyun.smq.http.routes import MnsEndpoint

__all__ = ["CannotStart", "Endpoints", "FaultProfile", "LocalCloud"]

HOST = "127.0.0.1"
SERVICE_COUNT = 4  # OSS, MNS, IMM, FC, in the order of their ports


@dataclass(frozen=True)
class Endpoints:
    """The endpoint URLs of a running local cloud, and its root access key."""

    oss: str
    mns: str
    imm: str
    fc: str
    credential: Credential
    deployment: Deployment

    def environment(self) -> dict[str, str]:
        """Return the environment variables that the SDKs and the `clipstitch` command read."""
        outputs = self.deployment.outputs
        return {
            "OSS_ACCESS_KEY_ID": self.credential.access_key_id,
            "OSS_ACCESS_KEY_SECRET": self.credential.access_key_secret,
            "OSS_SESSION_TOKEN": "",
            "OSS_REGION": self.deployment.region,
            **self.variables(),
            "CLIPSTITCH_BUCKET": outputs.get("BucketName", ""),
            "CLIPSTITCH_EVENTS_TOPIC": outputs.get("EventsTopicName", ""),
            "CLIPSTITCH_EVENTS_QUEUE": outputs.get("EventsQueueName", ""),
            "ALIBABA_CLOUD_ACCOUNT_ID": self.deployment.account_id,
        }

    def variables(self) -> dict[str, str]:
        """Return the endpoint variables, which override those of s.yaml in every function."""
        return {
            "OSS_ENDPOINT": self.oss,
            "MNS_ENDPOINT": self.mns,
            "IMM_ENDPOINT": self.imm,
            "FC_ENDPOINT": self.fc,
        }


@dataclass(eq=False)
class LocalCloud:
    """A local cloud for one project.

    `data`: state directory, or None for a temporary one. `port`: the first of four ports, or 0 for free ones.
    `time_scale`: divides the delays of retries and timers. `from_build`: run the built packages instead of the sources.
    `variables`: values of `${env(...)}` in s.yaml. `watch`: receives every access check of a role. `fault_profile`: the
    faults to inject. `approve`: receives the deployment before anything starts; its exceptions abort the start.
    `role_delay_s`: for so many seconds after the start no role has its permissions, as after its creation in the cloud.
    """

    project: Path
    _: KW_ONLY
    data: Path | None = None
    port: int = 0
    time_scale: float = 1.0
    from_build: bool = False
    clock: CloudClock = field(default_factory=HostClock)
    variables: Mapping[str, str] | None = None
    watch: Callable[[AccessCheck], None] | None = None
    fault_profile: FaultProfile | None = None
    approve: Callable[[Deployment], None] | None = None
    role_delay_s: float = 0.0
    faults: FaultInjector = field(default=NO_FAULTS, init=False)  # also after `stop`: it counts the faults
    _exits: ExitStack = field(default_factory=ExitStack, init=False)
    _services: Services | None = field(default=None, init=False)

    @property
    def services(self) -> Services:
        """The services, while the cloud runs. Raises CannotStart otherwise."""
        if self._services is None:
            raise CannotStart("the local cloud is not running; call start() first")
        return self._services

    def start(self) -> Endpoints:
        """Start all services; return when all HTTP endpoints respond.

        Raises BadDeployment if the project's files are invalid, CannotStart if the machine lacks a resource.
        """
        with ExitStack() as exits:
            endpoints = self._start(exits)
            self._exits = exits.pop_all()
        return endpoints

    def stop(self) -> None:
        """Stop all services. State remains in a given data directory; a temporary one is deleted."""
        self._services = None
        self._exits.close()

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, exits: ExitStack) -> Endpoints:
        deployment = read(self.project, self.variables or {}, from_build=self.from_build)
        if self.approve:
            self.approve(deployment)
        data = DataDir(self.data or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="localyun-"))))
        exits.callback(data.release)
        sockets = self._bind(exits)
        oss, mns, imm, fc = (f"http://{host}:{port}" for host, port in (bound.getsockname() for bound in sockets))
        endpoints = Endpoints(oss, mns, imm, fc, data.root_key(self.clock), deployment)
        listeners = Listeners()
        exits.callback(listeners.join)
        if self.fault_profile:
            self.faults = FaultInjector(self.fault_profile, data.fault_counts(), data.save_fault_counts)
        context = ServiceContext(
            data.path,
            self.clock,
            Keyring(endpoints.credential),
            endpoints.variables(),
            self._authorizer(deployment),
            self.faults,
            self.time_scale,
        )
        services = make_services(deployment, context, exits)
        exits.callback(listeners.stop)
        listeners.start(list(zip(sockets, _apps(services, context, deployment), strict=True)))
        services.start()  # last: unfinished work of an earlier run sends requests to the endpoints
        self._services = services
        return endpoints

    def _authorizer(self, deployment: Deployment) -> Authorizer:
        """Return the authorizer of the declared roles."""
        roles = {role.arn: role.statements() for role in deployment.roles}
        effective_at = self.clock.now() + timedelta(seconds=self.role_delay_s)
        return Authorizer(
            roles,
            deployment.account_id,
            deployment.region,
            watch=self.watch,
            in_effect=lambda: self.clock.now() >= effective_at,
        )

    def _bind(self, exits: ExitStack) -> list[socket.socket]:
        """Bind one socket per service."""
        ports = [self.port + offset if self.port else 0 for offset in range(SERVICE_COUNT)]
        try:
            return [exits.enter_context(bind(HOST, port)) for port in ports]
        except OSError as error:
            message = f"ports {ports} of {HOST} are needed: {error.strerror}; choose another port, or 0"
            raise CannotStart(message) from error


def _apps(services: Services, context: ServiceContext, deployment: Deployment) -> list[ASGIApp]:
    """Return the HTTP endpoints, in the order of their ports."""
    keys, clock, authorizer, faults = context.keyring, context.clock, context.authorizer, context.faults
    region, account = deployment.region, deployment.account_id
    oss = OssEndpoint(keys, clock, services.objects, services.tasks, region, allow=authorizer.allow, faults=faults)
    mns = MnsEndpoint(keys, clock, services.messages, account, allow=authorizer.allow, faults=faults)
    imm = ImmEndpoint(keys, clock, services.tasks, allow=authorizer.allow, faults=faults)
    fc = FcEndpoint(keys, clock, services.functions, deployment.triggers, allow=authorizer.allow, faults=faults)
    return [asgi_app(endpoint.answer) for endpoint in (oss, mns, imm, fc)]
