"""The local cloud: reads a project, makes its services, serves them over HTTP, and ends them again.

with LocalCloud(Path(".")) as endpoints:
    print(endpoints.environment())
"""

import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp

from localyun.clock import Clock, SystemClock
from localyun.data_dir import CannotStart, DataDir
from localyun.deploy.declared import Deployment
from localyun.deploy.project import read
from localyun.faults import FINE, BadWeather, Forecast, Weather
from localyun.fc.http.routes import FcEndpoint
from localyun.http import face
from localyun.imm.http.routes import ImmEndpoint
from localyun.listeners import Listeners, bind
from localyun.oss.http.routes import OssFace
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.policies import Question, Rights
from localyun.services import Services, Setting, make_services
from localyun.smq.http.routes import MnsEndpoint

__all__ = ["CannotStart", "Endpoints", "Forecast", "LocalCloud"]

FACES = ("OSS", "MNS", "IMM", "FC")  # in the order of their ports


@dataclass(frozen=True)
class Endpoints:
    """Where a running local cloud is, and the key that it takes."""

    oss: str
    mns: str
    imm: str
    fc: str
    credential: Credential
    deployment: Deployment

    def environment(self) -> dict[str, str]:
        """Return the environment that the SDKs and the `clipstitch` command take."""
        outputs = self.deployment.outputs
        return {
            "OSS_ACCESS_KEY_ID": self.credential.access_key_id,
            "OSS_ACCESS_KEY_SECRET": self.credential.access_key_secret,
            "OSS_SESSION_TOKEN": "",
            "OSS_REGION": self.deployment.region,
            "OSS_ENDPOINT": self.oss,
            "MNS_ENDPOINT": self.mns,
            "IMM_ENDPOINT": self.imm,
            "FC_ENDPOINT": self.fc,
            "CLIPSTITCH_BUCKET": outputs.get("BucketName", ""),
            "CLIPSTITCH_EVENTS_TOPIC": outputs.get("EventsTopicName", ""),
            "CLIPSTITCH_EVENTS_QUEUE": outputs.get("EventsQueueName", ""),
            "ALIBABA_CLOUD_ACCOUNT_ID": self.deployment.account_id,
        }


@dataclass(frozen=True)
class Options:
    """How a local cloud runs.

    `data`: where state is kept, else a temporary directory. `port`: the first of four, 0 for free ones. `hurry`
    divides the delays of retries and timers. `from_build`: run what was built instead of the sources. `variables`
    fill `${env(...)}` in s.yaml. `watch` hears what roles ask to do, and whether they may. `forecast`: things go wrong.
    `approve` sees what is declared before anything begins; what it raises is raised by the start.
    """

    data: Path | None = None
    port: int = 0
    host: str = "127.0.0.1"
    hurry: float = 1.0
    from_build: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    watch: Callable[[Question], None] | None = None
    forecast: Forecast | None = None
    approve: Callable[[Deployment], None] | None = None


class LocalCloud:
    """A local cloud for one project; what the keyword arguments mean is said at `Options`."""

    def __init__(  # noqa: PLR0913 - everything a caller may choose
        self,
        project: Path,
        *,
        data: Path | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        hurry: float = 1.0,
        from_build: bool = False,
        clock: Clock | None = None,
        variables: Mapping[str, str] | None = None,
        watch: Callable[[Question], None] | None = None,
        forecast: Forecast | None = None,
        approve: Callable[[Deployment], None] | None = None,
    ) -> None:
        self._project = project
        self._clock = clock or SystemClock()
        self._options = Options(data, port, host, hurry, from_build, variables or {}, watch, forecast, approve)
        self._exits = ExitStack()
        self._services: Services | None = None
        self._weather: Weather = FINE

    @property
    def services(self) -> Services:
        """The services behind the faces, while the cloud runs."""
        if self._services is None:
            raise CannotStart("the local cloud is not running; call start() first")
        return self._services

    @property
    def weather(self) -> Weather:
        """The weather that this cloud has, or had; it counts what went wrong."""
        return self._weather

    def start(self) -> Endpoints:
        """Start everything; returns when all faces answer.

        BadDeployment when the project's files cannot be used, CannotStart when the machine says no.
        """
        with ExitStack() as exits:
            endpoints = self._start(exits)
            self._exits = exits.pop_all()
        return endpoints

    def stop(self) -> None:
        """End everything. State in a data directory stays; without one it is gone."""
        self._services = None
        self._exits.close()

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, exits: ExitStack) -> Endpoints:
        """Start; `exits` learns how to undo each step."""
        options = self._options
        deployment = read(self._project, options.variables, from_build=options.from_build)
        if options.approve:
            options.approve(deployment)
        data = DataDir(options.data or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="localyun-"))))
        exits.callback(data.release)
        sockets = [exits.enter_context(taken) for taken in self._bind()]
        endpoints = _endpoints(sockets, data.root_key(self._clock), deployment)
        keyring = Keyring(endpoints.credential)
        listeners = Listeners()
        exits.callback(listeners.join)
        rights = _rights(deployment, options.watch)
        self._weather = weather = _weather(options.forecast, data)
        setting = Setting(data.path, self._clock, keyring, _for_functions(endpoints), rights, weather, options.hurry)
        services = make_services(deployment, setting, exits)
        exits.callback(listeners.stop)
        apps = _faces(services, setting, deployment)
        listeners.start(list(zip(sockets, apps, strict=True)))
        services.start()  # last: what an earlier run left undone calls the faces
        self._services = services
        return endpoints

    def _bind(self) -> list[socket.socket]:
        """Take one socket per face."""
        host, first = self._options.host, self._options.port
        ports = [first + offset if first else 0 for offset in range(len(FACES))]
        with ExitStack() as exits:
            try:
                taken = [exits.enter_context(bind(host, port)) for port in ports]
            except OSError as error:
                message = f"ports {ports} of {host} are needed: {error.strerror}; choose another port, or 0"
                raise CannotStart(message) from error
            exits.pop_all()
        return taken


def _endpoints(sockets: list[socket.socket], credential: Credential, deployment: Deployment) -> Endpoints:
    """Name the addresses of the faces."""
    oss, mns, imm, fc = (f"http://{host}:{port}" for host, port in (taken.getsockname() for taken in sockets))
    return Endpoints(oss, mns, imm, fc, credential, deployment)


def _for_functions(endpoints: Endpoints) -> dict[str, str]:
    """Return what every function must find in its environment, whatever s.yaml says."""
    return {
        "OSS_ENDPOINT": endpoints.oss,
        "MNS_ENDPOINT": endpoints.mns,
        "IMM_ENDPOINT": endpoints.imm,
        "FC_ENDPOINT": endpoints.fc,
    }


def _rights(deployment: Deployment, watch: Callable[[Question], None] | None) -> Rights:
    """Work out what the declared roles may do."""
    roles = {role.arn: role.statements() for role in deployment.roles}
    projects = {attached.bucket: attached.project for attached in deployment.attachments}
    return Rights(roles, deployment.account_id, deployment.region, project_of=projects.get, watch=watch)


def _weather(forecast: Forecast | None, data: DataDir) -> Weather:
    """Make the weather; bad weather goes on counting where an earlier run of it stopped."""
    return FINE if forecast is None else BadWeather(forecast, data.counts(), data.keep_counts)


def _faces(services: Services, setting: Setting, deployment: Deployment) -> list[ASGIApp]:
    """Make the faces, in the order of their ports; each asks what its callers may do."""
    keyring, clock, rights, weather = setting.keyring, setting.clock, setting.rights, setting.weather
    region, account = deployment.region, deployment.account_id
    oss = OssFace(services.objects, services.tasks, keyring, clock, region, allow=rights.oss, weather=weather)
    mns = MnsEndpoint(services.messages, keyring, clock, account, allow=rights.mns, weather=weather)
    imm = ImmEndpoint(services.tasks, keyring, clock, allow=rights.imm, weather=weather)
    fc = FcEndpoint(services.functions, keyring, clock, deployment.triggers, allow=rights.fc, weather=weather)
    return [face(each.answer) for each in (oss, mns, imm, fc)]
