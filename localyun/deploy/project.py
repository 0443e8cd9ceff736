"""Reads s.yaml and the templates it deploys, and says what must exist.

Knows the `ros` and `fc3` components of Serverless Devs (fc3 0.1.22, read 2026-11). Called by `localyun.server`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from localyun.deploy.declared import (
    Attachment,
    BadDeployment,
    Declared,
    DeclaredSubscription,
    Deployment,
    Role,
    Trigger,
)
from localyun.deploy.interpreters import interpreter
from localyun.deploy.roles import check_roles
from localyun.deploy.ros_template import Place, Stack, StackResource
from localyun.deploy.serverless_devs import ServerlessFile, load_yaml
from localyun.deploy.triggers import check_triggers, read_trigger
from localyun.fc.values import AsyncConfig, FunctionConfig, Hook

DEFAULT_ACCOUNT = "1234567890123456"
DEFAULT_REGION = "cn-hangzhou"
IMM_DEFAULT_ROLE = "AliyunIMMDefaultRole"
# Properties of an fc3 resource; those that this module does not read have no meaning on one machine.
FC3_PROPS = frozenset(
    """
    region functionName description code runtime handler cpu memorySize diskSize timeout instanceConcurrency
    environmentVariables role logConfig internetAccess layers vpcConfig nasConfig ossMountConfig customDNS
    customRuntimeConfig customContainerConfig gpuConfig tracingConfig tags annotations instanceLifecycleConfig
    triggers asyncInvokeConfig vpcBinding customDomain concurrencyConfig provisionConfig scalingConfig endpoint
    """.split()  # noqa: SIM905 - forty quoted words are no easier to read
)
QUEUE_PROPS = {
    "DelaySeconds": "delay_seconds",
    "MaximumMessageSize": "maximum_message_size",
    "MessageRetentionPeriod": "message_retention_period",
    "VisibilityTimeout": "visibility_timeout",
    "PollingWaitSeconds": "polling_wait_seconds",
    "LoggingEnabled": "logging_enabled",
}


def read(project: Path, env: Mapping[str, str], *, from_build: bool = False) -> Deployment:
    """Read a project's s.yaml and templates.

    `env` fills `${env(...)}`, and its ALIBABA_CLOUD_ACCOUNT_ID is the account. Code `./build/NAME` is taken from
    there only when `from_build` says so; otherwise from `functions/NAME` with `shared` beside it, so that
    nothing has to be built to run.
    """
    return _Reader(project, env, from_build=from_build).deployment()


class _Reader:
    """One reading of one project."""

    def __init__(self, project: Path, env: Mapping[str, str], *, from_build: bool) -> None:
        self._project = project
        self._account = env.get("ALIBABA_CLOUD_ACCOUNT_ID", DEFAULT_ACCOUNT)
        self._from_build = from_build
        self._file = ServerlessFile(load_yaml(project / "s.yaml"), env, self._output)
        self._stacks: dict[str, Stack] = {}

    def deployment(self) -> Deployment:
        """Put everything together and check that it fits."""
        by_component = {name: self._file.component(name) for name in self._file.names()}
        for name, component in by_component.items():
            if component not in ("ros", "fc3"):
                raise BadDeployment(f"s.yaml: resources.{name}: component {component!r} is unknown; known: ros, fc3")
        stacks = [self._stack(name) for name, component in by_component.items() if component == "ros"]
        functions = {name: self._file.props(name) for name, kind in by_component.items() if kind == "fc3"}
        return self._checked(stacks, functions)

    def _checked(self, stacks: list[Stack], functions: Mapping[str, dict[str, Any]]) -> Deployment:
        """Turn stacks and function properties into values."""
        resources = [resource for stack in stacks for resource in stack.resources()]
        named = {kind: [r.properties for r in resources if r.type == kind] for kind in {r.type for r in resources}}
        if "ALIYUN::FC3::Trigger" in named:  # functions without one only help the stack to be created
            raise BadDeployment("template: functions with triggers cannot run here; let s.yaml deploy them")
        attached = tuple(attachment for stack in stacks for attachment in _attachments(stack))
        triggers = [trigger for name, props in functions.items() for trigger in _triggers(name, props)]
        deployment = Deployment(
            account_id=self._account,
            region=self._region(functions),
            buckets=_buckets(named.get("ALIYUN::OSS::Bucket", ()), attached),
            topics=tuple(_declared(r, "TopicName") for r in resources if r.type == "ALIYUN::MNS::Topic"),
            queues=tuple(_declared(r, "QueueName") for r in resources if r.type == "ALIYUN::MNS::Queue"),
            subscriptions=tuple(_subscription(props) for props in named.get("ALIYUN::MNS::Subscription", ())),
            projects=tuple(props["ProjectName"] for props in named.get("ALIYUN::IMM::Project2", ())),
            service_roles=_service_roles(self._account, named.get("ALIYUN::IMM::Project2", ())),
            attachments=attached,
            roles=tuple(_role(self._account, props) for props in named.get("ALIYUN::RAM::Role", ())),
            functions=tuple(self._function(name, props) for name, props in functions.items()),
            triggers=tuple(triggers),
            outputs={name: value for stack in stacks for name, value in stack.outputs().items()},
        )
        check_triggers(deployment)
        check_roles(deployment)
        return deployment

    def _region(self, functions: Mapping[str, dict[str, Any]]) -> str:
        """Return the one region of the project: topics and triggers cannot cross regions."""
        regions = {str(props.get("region", DEFAULT_REGION)) for props in functions.values()}
        regions |= {str(self._file.props(name).get("region", DEFAULT_REGION)) for name in self._stacks}
        if len(regions) > 1:
            raise BadDeployment(f"s.yaml: resources lie in several regions, {', '.join(sorted(regions))}; use one")
        return next(iter(regions), DEFAULT_REGION)

    def _stack(self, name: str) -> Stack:
        """Return the stack that a `ros` resource deploys."""
        if name not in self._stacks:
            props = self._file.props(name)
            template = self._project / str(props.get("template", "template.yml"))
            place = Place(
                self._account, str(props.get("region", DEFAULT_REGION)), str(props.get("name", name)), template.name
            )
            self._stacks[name] = Stack(load_yaml(template), props.get("parameters") or {}, place)
        return self._stacks[name]

    def _output(self, name: str, output: str) -> str:
        """Return an output of a resource."""
        if self._file.component(name) == "ros":
            return self._stack(name).output(output)
        if output == "functionName":
            return str(self._file.props(name)["functionName"])
        raise BadDeployment(f"s.yaml: resources.{name}.output.{output} is unknown; known: functionName")

    def _function(self, name: str, props: Mapping[str, Any]) -> FunctionConfig:
        """Turn the properties of an `fc3` resource into a function."""
        at = f"s.yaml: resources.{name}"
        if unknown := sorted(set(props) - FC3_PROPS):
            raise BadDeployment(f"{at}: unknown: {', '.join(unknown)}; known: {', '.join(sorted(FC3_PROPS))}")
        if missing := [key for key in ("functionName", "runtime", "handler", "code") if not props.get(key)]:
            raise BadDeployment(f"{at}: {', '.join(missing)} missing; only built-in Python runtimes run here")
        if not str(props["runtime"]).startswith("python3"):
            raise BadDeployment(f"{at}: runtime {props['runtime']} cannot run here; known: python3.9, 3.10, 3.12")
        hooks = props.get("instanceLifecycleConfig") or {}
        log = props.get("logConfig") if isinstance(props.get("logConfig"), Mapping) else {}
        return FunctionConfig(
            name=str(props["functionName"]),
            handler=str(props["handler"]),
            code=self._code(at, str(props["code"])),
            runtime=str(props["runtime"]),
            timeout=int(props.get("timeout", 3)),
            memory=int(props.get("memorySize", 512)),
            environment={key: str(value) for key, value in (props.get("environmentVariables") or {}).items()},
            role=str(props.get("role", "")),
            description=str(props.get("description", "")),
            log_project=str((log or {}).get("project", "")),
            log_store=str((log or {}).get("logstore", "")),
            initializer=_hook(hooks.get("initializer")),
            pre_stop=_hook(hooks.get("preStop")),
            asynchronous=_async_config(props.get("asyncInvokeConfig") or {}),
            built=self._from_build,
            python=interpreter(str(props["runtime"])) if self._from_build else "",
        )

    def _code(self, at: str, code: str) -> tuple[Path, ...]:
        """Find a function's code: what was built, or the sources that would be built."""
        built = (self._project / code).resolve()
        home = (self._project / "build").resolve()
        if self._from_build or built.parent != home:
            if not built.is_dir():
                raise BadDeployment(f"{at}.code: there is no directory {code}; run python3 build.py first")
            return (built,)
        sources = self._project / "functions" / built.name
        if not sources.is_dir():
            raise BadDeployment(f"{at}.code: {code} has no sources: there is no directory functions/{built.name}")
        shared = self._project / "shared"
        return (sources.resolve(), *((shared.resolve(),) if shared.is_dir() else ()))


def _triggers(name: str, props: Mapping[str, Any]) -> list[Trigger]:
    """Read the triggers of one function."""
    function = str(props.get("functionName", name))
    return [
        read_trigger(function, spec, f"s.yaml: resources.{name}.triggers[{index}]")
        for index, spec in enumerate(props.get("triggers") or [])
    ]


def _hook(spec: Mapping[str, Any] | None) -> Hook | None:
    """Read a lifecycle hook."""
    return Hook(str(spec["handler"]), int(spec.get("timeout", 30))) if spec else None


def _async_config(spec: Mapping[str, Any]) -> AsyncConfig:
    """Read how asynchronous events are treated."""
    destinations = spec.get("destinationConfig") or {}
    return AsyncConfig(
        retries=int(spec.get("maxAsyncRetryAttempts", 3)),
        max_age_seconds=int(spec.get("maxAsyncEventAgeInSeconds", 86400)),
        on_success=str((destinations.get("onSuccess") or {}).get("destination", "")),
        on_failure=str((destinations.get("onFailure") or {}).get("destination", "")),
    )


def _declared(resource: StackResource, name: str) -> Declared:
    """Read a queue or a topic."""
    rest = {key: value for key, value in resource.properties.items() if key not in (name, "Tags")}
    if unknown := sorted(set(rest) - set(QUEUE_PROPS)):
        known = ", ".join([name, *QUEUE_PROPS])
        raise BadDeployment(f"Resources.{resource.logical_id}: {', '.join(unknown)} is unknown here; known: {known}")
    return Declared(str(resource.properties[name]), {QUEUE_PROPS[key]: value for key, value in rest.items()})


def _subscription(props: Mapping[str, Any]) -> DeclaredSubscription:
    """Read a subscription."""
    return DeclaredSubscription(
        topic=str(props["TopicName"]),
        name=str(props["SubscriptionName"]),
        endpoint=str(props["Endpoint"]),
        strategy=str(props.get("NotifyStrategy", "BACKOFF_RETRY")),
        content_format=str(props.get("NotifyContentFormat", "XML")),
        filter_tag=str(props.get("FilterTag", "")),
    )


def _attachments(stack: Stack) -> list[Attachment]:
    """Read which buckets are attached to which IMM projects."""
    return [
        Attachment(
            stack.named(entry["bucket"], "ALIYUN::OSS::Bucket"),
            stack.named(entry["project"], "ALIYUN::IMM::Project2"),
        )
        for entry in stack.metadata().get("attach", ())
    ]


def _buckets(declared: Iterable[Mapping[str, Any]], attached: Iterable[Attachment]) -> tuple[str, ...]:
    """Name the buckets: those of the template, and those that are attached and exist without it."""
    names = [str(props["BucketName"]) for props in declared]
    return tuple(dict.fromkeys([*names, *(attachment.bucket for attachment in attached)]))


def _service_roles(account: str, projects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Read which role IMM takes for which project; the vendor's default role may do all that IMM wants."""
    named = {str(props["ProjectName"]): props.get("ServiceRole", IMM_DEFAULT_ROLE) for props in projects}
    return {project: _role_arn(account, role) for project, role in named.items() if role != IMM_DEFAULT_ROLE}


def _role_arn(account: str, name: object) -> str:
    """Spell a role's ARN in lower case, as fc3 writes it into functions and triggers."""
    return f"acs:ram::{account}:role/{name}".lower()


def _role(account: str, props: Mapping[str, Any]) -> Role:
    """Read a role."""
    return Role(
        arn=_role_arn(account, props["RoleName"]),
        trust=props.get("AssumeRolePolicyDocument") or {},
        policies=tuple(policy["PolicyDocument"] for policy in props.get("Policies") or ()),
        system_policies=tuple((props.get("PolicyAttachments") or {}).get("System") or ()),
    )
