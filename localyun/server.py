"""The local cloud: reads a project, creates its services, serves them over HTTP, and stops them.

with LocalCloud(Path(".")) as endpoints:
    print(endpoints.environment())
"""

import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

from starlette.types import ASGIApp

from localyun.clock import CloudClock, HostClock
from localyun.data_dir import CannotStart, DataDir
from localyun.deploy.declared import Deployment
from localyun.deploy.own_programs import with_own_programs
from localyun.deploy.project import empty_deployment, read
from localyun.deploy.ros_template import StackLocation
from localyun.disk import DISK_ERRORS, is_disk_full
from localyun.faults import NO_FAULTS, FaultInjector, FaultProfile
from localyun.fc.http.routes import FcEndpoint
from localyun.http import asgi_app
from localyun.imm.http.routes import ImmEndpoint
from localyun.listeners import Listeners, Site, bind
from localyun.oss.http.custom_domains import CustomDomains
from localyun.oss.http.routes import OssEndpoint
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.policies import AccessCheck, Authorizer
from localyun.ram.store import RoleStore
from localyun.ros.http.routes import RosEndpoint
from localyun.ros.http.tls import certificate_files
from localyun.ros.provision import Provisioner
from localyun.ros.service import StackService
from localyun.ros.store import StackStore
from localyun.services import ServiceContext, Services, make_services
from localyun.smq.http.routes import MnsEndpoint

__all__ = ["CannotStart", "Endpoints", "FaultProfile", "LocalCloud"]

HOST = "127.0.0.1"
# OSS, MNS, IMM, FC, ROS over HTTPS for tools, and ROS over HTTP, where functions post the answers of custom resources.
PORT_COUNT = 6
ROS = 4  # the index of its port


@dataclass(frozen=True)
class Endpoints:
    """The endpoint URLs of a running local cloud, its root access key, and the certificate file of its ROS.

    `ros_tls` is ROS over HTTPS, as tools need it.

    `oss_internal`: the endpoint of functions if data calls are forbidden at `oss`, otherwise "".
    """

    oss: str
    mns: str
    imm: str
    fc: str
    credential: Credential
    deployment: Deployment
    ros: str = ""
    ros_tls: str = ""
    certificate: Path = Path()
    oss_internal: str = ""

    def environment(self) -> dict[str, str]:
        """Return the environment variables that the SDKs and the `clipstitch` command read."""
        outputs = self.deployment.outputs
        named = {
            "CLIPSTITCH_BUCKET": outputs.get("BucketName", ""),
            "CLIPSTITCH_EVENTS_TOPIC": outputs.get("EventsTopicName", ""),
            "CLIPSTITCH_EVENTS_QUEUE": outputs.get("EventsQueueName", ""),
        }
        return {
            "OSS_ACCESS_KEY_ID": self.credential.access_key_id,
            "OSS_ACCESS_KEY_SECRET": self.credential.access_key_secret,
            "OSS_SESSION_TOKEN": "",
            "OSS_REGION": self.deployment.region,
            **self.variables(),
            "OSS_ENDPOINT": self.oss,
            "ROS_ENDPOINT": self.ros,
            **({} if self.is_empty else named),
            "ALIBABA_CLOUD_ACCOUNT_ID": self.deployment.account_id,
        }

    @property
    def is_empty(self) -> bool:
        """True if no project declared what the cloud has; the names of its resources are then unknown."""
        return not self.deployment.outputs and not self.deployment.functions

    def tool_environment(self) -> dict[str, str]:
        """Return the environment variables with which Serverless Devs deploys into this cloud."""
        return {
            "AccountID": self.deployment.account_id,
            "AccessKeyID": self.credential.access_key_id,
            "AccessKeySecret": self.credential.access_key_secret,
            "FC_CLIENT_CUSTOM_ENDPOINT": self.fc,
            "FC_CODE_TEMP_OSS_ENDPOINT": self.oss_internal or self.oss,
            "ROS_ENDPOINT": self.ros_tls.removeprefix("https://"),
            "NODE_EXTRA_CA_CERTS": str(self.certificate),
        }

    def variables(self) -> dict[str, str]:
        """Return the endpoint variables, which override those of s.yaml in every function."""
        return {
            "OSS_ENDPOINT": self.oss_internal or self.oss,
            "MNS_ENDPOINT": self.mns,
            "IMM_ENDPOINT": self.imm,
            "FC_ENDPOINT": self.fc,
        }


@dataclass(eq=False)
class LocalCloud:
    """A local cloud for one project.

    `project`: its directory, or None for an empty cloud, into which tools deploy.
    `data`: state directory, or None for a temporary one. `port`: the first of six ports, or 0 for free ones.
    `time_scale`: divides the delays of retries and timers. `from_build`: run the built packages instead of the sources.
    `variables`: values of `${env(...)}` in s.yaml. `watch`: receives every access check of a role. `fault_profile`: the
    faults to inject. `approve`: receives the deployment before anything starts; its exceptions abort the start.
    `own_programs`: add resources for programs of the user to those of the project.
    `role_delay_s`: for so many seconds after its creation no role has its permissions, as may happen in the cloud.
    `fail_resource`: the logical id of a resource of a stack whose creation fails.
    `forbid_public_endpoint`: refuse data calls at the public endpoint of OSS; functions use an internal one, and every
    other host name, such as localhost, is a custom domain of the first bucket.
    `role_delay_s`: for so many seconds after the start no role has its permissions, as after its creation in the cloud.
    """

    project: Path | None
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
    fail_resource: str = ""
    forbid_public_endpoint: bool = False
    own_programs: bool = False
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
        try:
            with ExitStack() as exits:
                endpoints = self._start(exits)
                self._exits = exits.pop_all()
        except DISK_ERRORS as error:
            if is_disk_full(error):
                where = self.data or tempfile.gettempdir()
                raise CannotStart(f"{where}: the disk is full; free some space there, and start again") from error
            raise
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
        variables = self.variables or {}
        if self.project:
            deployment = read(self.project, variables, from_build=self.from_build)
        else:
            deployment = empty_deployment(variables)
        if self.approve:
            self.approve(deployment)
        if self.own_programs:
            deployment = with_own_programs(deployment)
        data = DataDir(self.data or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="localyun-"))))
        exits.callback(data.release)
        sockets = self._bind(exits)
        hosts = [f"{HOST}:{bound.getsockname()[1]}" for bound in sockets]
        oss, mns, imm, fc, ros, answers = hosts[:PORT_COUNT]
        tls = certificate_files(data.path, HOST, self.clock)
        endpoints = Endpoints(
            f"http://{oss}",
            f"http://{mns}",
            f"http://{imm}",
            f"http://{fc}",
            data.root_key(self.clock),
            deployment,
            f"http://{answers}",
            f"https://{ros}",
            tls[0],
            f"http://{hosts[-1]}" if self.forbid_public_endpoint else "",
        )
        listeners = Listeners()
        exits.callback(listeners.join)
        if self.fault_profile:
            self.faults = FaultInjector(self.fault_profile, data.fault_counts(), data.save_fault_counts)
        roles = RoleStore(data.path / "roles.sqlite", self.clock, self.role_delay_s)
        exits.callback(roles.close)
        authorizer = Authorizer(
            roles.statements,
            deployment.account_id,
            deployment.region,
            watch=self.watch,
        )
        context = ServiceContext(
            data.path,
            self.clock,
            Keyring(endpoints.credential),
            endpoints.variables(),
            roles,
            authorizer,
            self.faults,
            self.time_scale,
        )
        services = make_services(deployment, context, exits)
        provisioner = Provisioner(services, deployment.account_id, f"http://{answers}", self.clock, self.time_scale)
        location = StackLocation(deployment.account_id, deployment.region, "", "TemplateBody")
        store = StackStore(data.path / "stacks.sqlite")
        stacks = StackService(store, self.clock, provisioner, location, self.fail_resource)
        exits.callback(stacks.close)
        exits.callback(listeners.stop)
        apps = _apps(services, context, deployment, stacks, self._domains(deployment))
        listeners.start(
            [Site(*pair, tls if pair[0] is sockets[ROS] else None) for pair in zip(sockets, apps, strict=True)]
        )
        stacks.start()
        services.start()  # last: unfinished work of an earlier run sends requests to the endpoints
        self._services = services
        return endpoints

    def _domains(self, deployment: Deployment) -> CustomDomains | None:
        """Return the custom domains of the bucket; None if the public endpoint accepts data calls.

        In an empty cloud it is the bucket that the deployment will have: s.yaml names it in the same way.
        """
        named = (self.variables or {}).get("CLIPSTITCH_BUCKET") or "clipstitch"
        return CustomDomains(next(iter(deployment.buckets), named)) if self.forbid_public_endpoint else None

    def _bind(self, exits: ExitStack) -> list[socket.socket]:
        """Bind one socket per endpoint; that of the internal OSS, if it differs, has any port."""
        ports = [self.port + offset if self.port else 0 for offset in range(PORT_COUNT)]
        ports += [0] if self.forbid_public_endpoint else []
        try:
            return [exits.enter_context(bind(HOST, port)) for port in ports]
        except OSError as error:
            message = f"ports {ports} of {HOST} are needed: {error.strerror}; choose another port, or 0"
            raise CannotStart(message) from error


def _apps(
    services: Services,
    context: ServiceContext,
    deployment: Deployment,
    stacks: StackService,
    domains: CustomDomains | None,
) -> list[ASGIApp]:
    """Return the HTTP endpoints, in the order of their ports; the internal one of OSS, if it differs, is the last."""
    keys, clock, authorizer, faults = context.keyring, context.clock, context.authorizer, context.faults
    region, account = deployment.region, deployment.account_id
    oss = OssEndpoint(keys, clock, services.objects, services.tasks, region, allow=authorizer.allow, faults=faults)
    mns = MnsEndpoint(keys, clock, services.messages, account, allow=authorizer.allow, faults=faults)
    imm = ImmEndpoint(keys, clock, services.tasks, allow=authorizer.allow, faults=faults)
    fc = FcEndpoint(keys, clock, services.manager, allow=authorizer.allow, faults=faults)
    ros = RosEndpoint(keys, clock, stacks, allow=authorizer.allow, faults=faults)
    endpoints = [oss, mns, imm, fc, ros, ros]
    if domains:
        public = replace(oss, domains=domains)
        endpoints = [public, *endpoints[1:], oss]
    return [asgi_app(endpoint.answer, endpoint.leaves_body) for endpoint in endpoints]
