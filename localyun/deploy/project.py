"""Reads s.yaml and the templates that it deploys, and returns what the project declares.

Knows the `ros` and `fc3` components of Serverless Devs (fc3 0.1.22, read 2026-11). `localyun.server` calls it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from localyun.deploy.declared import (
    BadDeployment,
    DeclaredAttachment,
    Deployment,
)
from localyun.deploy.roles import check_roles
from localyun.deploy.ros_resources import declared_resource, declared_role, declared_subscription
from localyun.deploy.ros_template import Stack, StackLocation
from localyun.deploy.serverless_devs import ServerlessFile, load_yaml
from localyun.deploy.triggers import check_triggers, deployment_errors
from localyun.fc.configuration import (
    parse_async_config,
    parse_function,
    parse_trigger,
)
from localyun.fc.interpreters import interpreter
from localyun.fc.values import FunctionCode, FunctionConfig, Trigger
from localyun.ram.values import role_arn

DEFAULT_ACCOUNT = "1234567890123456"
DEFAULT_REGION = "cn-hangzhou"
IMM_DEFAULT_ROLE = "AliyunIMMDefaultRole"
# The properties of an fc3 resource that are not fields of the function itself; most have no effect on one machine.
OTHER_PROPS = frozenset(
    {"region", "code", "triggers", "asyncInvokeConfig", "annotations", "vpcBinding", "customDomain", "endpoint"}
    | {"concurrencyConfig", "provisionConfig", "scalingConfig"}
)


def read(project: Path, env: Mapping[str, str], *, from_build: bool = False) -> Deployment:
    """Return what a project's s.yaml and templates declare; raise `BadDeployment` if they are not valid.

    `env` has the values of `${env(...)}`; its ALIBABA_CLOUD_ACCOUNT_ID is the account. If `from_build` is False, code
    in `./build/NAME` is replaced by its sources, `functions/NAME` and `shared`, so that no build is necessary.
    """
    return _Reader(project, env, from_build=from_build).deployment()


def empty_deployment(env: Mapping[str, str]) -> Deployment:
    """Return a deployment that declares nothing, in the account and the region of the environment."""
    account = env.get("ALIBABA_CLOUD_ACCOUNT_ID") or DEFAULT_ACCOUNT
    return Deployment(account, env.get("OSS_REGION") or DEFAULT_REGION)


class _Reader:
    """The files of one project."""

    def __init__(self, project: Path, env: Mapping[str, str], *, from_build: bool) -> None:
        self._project = project
        self._account = env.get("ALIBABA_CLOUD_ACCOUNT_ID", DEFAULT_ACCOUNT)
        self._from_build = from_build
        self._file = ServerlessFile(load_yaml(project / "s.yaml"), env, self._output)
        self._stacks: dict[str, Stack] = {}

    def deployment(self) -> Deployment:
        """Return the declarations of all resources, checked against each other."""
        components = {name: self._file.component(name) for name in self._file.names()}
        for name, component in components.items():
            if component not in ("ros", "fc3"):
                raise BadDeployment(f"s.yaml: resources.{name}: component {component!r} is unknown; known: ros, fc3")
        stacks = [self._stack(name) for name, component in components.items() if component == "ros"]
        functions = {name: self._file.props(name) for name, component in components.items() if component == "fc3"}
        deployment = self._declared(stacks, functions)
        check_triggers(deployment)
        check_roles(deployment)
        return deployment

    def _declared(self, stacks: list[Stack], functions: Mapping[str, dict[str, Any]]) -> Deployment:
        resources = [resource for stack in stacks for resource in stack.resources()]
        of_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for resource in resources:
            of_type[resource.type].append(resource.properties)
        if "ALIYUN::FC3::Trigger" in of_type:  # functions without one only help to create the stack
            raise BadDeployment("template: functions with triggers cannot run here; let s.yaml deploy them")
        attachments = tuple(attachment for stack in stacks for attachment in _attachments(stack))
        declared_buckets = (str(props["BucketName"]) for props in of_type["ALIYUN::OSS::Bucket"])
        projects = {str(props["ProjectName"]): props for props in of_type["ALIYUN::IMM::Project2"]}
        service_roles = {name: props.get("ServiceRole", IMM_DEFAULT_ROLE) for name, props in projects.items()}
        return Deployment(
            account_id=self._account,
            region=self._region(functions),
            # An attached bucket may exist without the template.
            buckets=tuple(dict.fromkeys([*declared_buckets, *(attachment.bucket for attachment in attachments)])),
            topics=tuple(declared_resource(r, "TopicName") for r in resources if r.type == "ALIYUN::MNS::Topic"),
            queues=tuple(declared_resource(r, "QueueName") for r in resources if r.type == "ALIYUN::MNS::Queue"),
            subscriptions=tuple(declared_subscription(props) for props in of_type["ALIYUN::MNS::Subscription"]),
            projects=tuple(projects),
            # The default role has all permissions that IMM needs.
            service_roles={
                n: role_arn(self._account, str(r)) for n, r in service_roles.items() if r != IMM_DEFAULT_ROLE
            },
            attachments=attachments,
            roles=tuple(declared_role(self._account, props) for props in of_type["ALIYUN::RAM::Role"]),
            functions=tuple(self._function(name, props) for name, props in functions.items()),
            triggers=tuple(trigger for name, props in functions.items() for trigger in _triggers(name, props)),
            outputs={name: value for stack in stacks for name, value in stack.outputs().items()},
        )

    def _region(self, functions: Mapping[str, dict[str, Any]]) -> str:
        """Return the region of the project, of which there is one: topics and triggers cannot cross regions."""
        regions = {str(props.get("region", DEFAULT_REGION)) for props in functions.values()}
        regions |= {str(self._file.props(name).get("region", DEFAULT_REGION)) for name in self._stacks}
        if len(regions) > 1:
            raise BadDeployment(f"s.yaml: resources are in several regions, {', '.join(sorted(regions))}; use one")
        return next(iter(regions), DEFAULT_REGION)

    def _stack(self, name: str) -> Stack:
        """Return the stack of a `ros` resource."""
        if name not in self._stacks:
            props = self._file.props(name)
            template = self._project / str(props.get("template", "template.yml"))
            region, stack_name = str(props.get("region", DEFAULT_REGION)), str(props.get("name", name))
            location = StackLocation(self._account, region, stack_name, template.name)
            self._stacks[name] = Stack(load_yaml(template), props.get("parameters") or {}, location)
        return self._stacks[name]

    def _output(self, name: str, output: str) -> str:
        """Return an output of a deployed resource."""
        if self._file.component(name) == "ros":
            return self._stack(name).output(output)
        if output == "functionName":
            return str(self._file.props(name)["functionName"])
        raise BadDeployment(f"s.yaml: resources.{name}.output.{output} is unknown; known: functionName")

    def _function(self, name: str, props: Mapping[str, Any]) -> FunctionConfig:
        """Return the function of an `fc3` resource."""
        at = f"s.yaml: resources.{name}"
        if not props.get("code"):
            raise BadDeployment(f"{at}: code missing; name the directory, such as ./build/{name}")
        document = {key: value for key, value in props.items() if key not in OTHER_PROPS}
        python = interpreter(str(props.get("runtime"))) if self._from_build else ""
        code = FunctionCode(self._code(at, str(props["code"])), built=self._from_build, python=python)
        with deployment_errors():
            config = parse_function(document, code, at)
            asynchronous = props.get("asyncInvokeConfig")
            parsed = parse_async_config(asynchronous, f"{at}.asyncInvokeConfig") if asynchronous else None
        return replace(config, asynchronous=parsed)

    def _code(self, at: str, code: str) -> tuple[Path, ...]:
        """Return the directories of a function's code: the built one, or the sources of the build."""
        built = (self._project / code).resolve()
        if self._from_build or built.parent != (self._project / "build").resolve():
            if not built.is_dir():
                raise BadDeployment(f"{at}.code: there is no directory {code}; run python3 build.py first")
            return (built,)
        sources = self._project / "functions" / built.name
        if not sources.is_dir():
            raise BadDeployment(f"{at}.code: {code} has no sources: there is no directory functions/{built.name}")
        shared = self._project / "shared"
        return (sources.resolve(), *((shared.resolve(),) if shared.is_dir() else ()))


def _triggers(name: str, props: Mapping[str, Any]) -> list[Trigger]:
    function = str(props.get("functionName", name))
    with deployment_errors():
        return [
            parse_trigger(function, spec, f"s.yaml: resources.{name}.triggers[{index}]")
            for index, spec in enumerate(props.get("triggers") or [])
        ]


def _attachments(stack: Stack) -> list[DeclaredAttachment]:
    return [
        DeclaredAttachment(
            stack.named(entry["bucket"], "ALIYUN::OSS::Bucket"),
            stack.named(entry["project"], "ALIYUN::IMM::Project2"),
        )
        for entry in stack.metadata().get("attach", ())
    ]
