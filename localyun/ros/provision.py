"""Creates, changes and deletes the resources of stacks in the local services. Knows resource types, no stacks.

The local cloud has no Simple Log Service and no CloudMonitor: their resources exist in the stack only.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from localyun.clock import CloudClock
from localyun.deploy.declared import BadDeployment
from localyun.deploy.ros_resources import declared_resource, declared_role, declared_subscription
from localyun.deploy.ros_template import StackResource
from localyun.errors import ServiceError
from localyun.fc.code import zipped_source
from localyun.fc.triggers import describe_error
from localyun.fc.values import function_of
from localyun.imm.values import DEFAULT_ROLE
from localyun.ram.policies import BadPolicy
from localyun.ram.values import role_arn
from localyun.ros.custom_resources import ANSWERS_PATH, CustomResourceAnswers
from localyun.ros.values import ResourceRecord, StackRecord
from localyun.services import Services
from localyun.smq.queues import Queues
from localyun.smq.topics import Topics

Properties = Mapping[str, Any]
CUSTOM = "ALIYUN::ROS::CustomResource"  # its function creates, changes and deletes it
# Mappings whose keys are names of users, which keep their case.
_FREE_MAPS = frozenset({"EnvironmentVariables", "TriggerConfig", "Tags"})


class ProvisionFailed(Exception):
    """A resource that could not be created, changed or deleted; the message has the reason."""


@dataclass(frozen=True)
class _Kind:
    """How a type of resource is created, changed and deleted. `identity`: the properties that cannot be changed."""

    create: Callable[["Provisioner", StackResource], str]
    update: Callable[["Provisioner", StackResource], object]
    delete: Callable[["Provisioner", ResourceRecord], object]
    identity: tuple[str, ...] = ()


@dataclass(eq=False)
class Provisioner:
    """The resources of all stacks.

    `answers_url`: where functions post the answers of custom resources. `time_scale` divides the seconds of
    ALIYUN::ROS::Sleep.
    """

    services: Services
    account_id: str
    answers_url: str
    clock: CloudClock
    time_scale: float = 1.0
    stopping: Event = field(default_factory=Event)
    answers: CustomResourceAnswers = field(default_factory=CustomResourceAnswers)

    def stop(self) -> None:
        """End every wait."""
        self.stopping.set()
        self.answers.stop()

    def create(self, resource: StackResource, stack: StackRecord, *, fail: bool = False) -> str:
        """Create a resource and return its physical id. Raises ProvisionFailed, with `fail` in any case."""
        if fail:
            raise ProvisionFailed("failed on purpose, as the option of the local cloud asks")
        with _failures():
            if resource.type == CUSTOM:
                return self._call_custom("Create", stack, resource.logical_id, resource.properties)
            return _KINDS[resource.type].create(self, resource)

    def update(self, resource: StackResource, old: ResourceRecord, stack: StackRecord) -> None:
        """Give a resource new properties; one with another name replaces the old one. Raises ProvisionFailed."""
        with _failures():
            if resource.type == CUSTOM:
                self._call_custom("Update", stack, resource.logical_id, resource.properties, old.physical_id)
                return
            kind = _KINDS[resource.type]
            if any(resource.properties.get(name) != old.properties.get(name) for name in kind.identity):
                kind.create(self, resource)
                if not old.is_retained:
                    kind.delete(self, old)
            else:
                kind.update(self, resource)

    def delete(self, record: ResourceRecord, stack: StackRecord) -> None:
        """Delete a resource. Raises ProvisionFailed."""
        with _failures():
            if record.type == CUSTOM:
                self._call_custom("Delete", stack, record.logical_id, record.properties, record.physical_id)
            else:
                _KINDS[record.type].delete(self, record)

    def create_bucket(self, resource: StackResource) -> str:
        """Create a bucket. What ROS does with a bucket that the account has already is not documented: refused here."""
        name = str(resource.properties["BucketName"])
        if self.services.objects.has_bucket(name):
            text = f"BucketAlreadyExists: the bucket {name} exists; set NewBucket to false to use it"
            raise ProvisionFailed(text)
        self.services.objects.create_bucket(name)
        return name

    def delete_bucket(self, record: ResourceRecord) -> None:
        """Delete an empty bucket."""
        self.services.objects.delete_bucket(str(record.properties["BucketName"]))

    def create_subscription(self, resource: StackResource) -> str:
        """Subscribe an endpoint to a topic."""
        sub = declared_subscription(resource.properties)
        self.services.messages.topics.subscribe(sub.topic, sub.name, **sub.options)
        return sub.name

    def delete_subscription(self, record: ResourceRecord) -> None:
        """Remove a subscription."""
        properties = record.properties
        self.services.messages.topics.unsubscribe(properties["TopicName"], properties["SubscriptionName"])

    def create_project(self, resource: StackResource) -> str:
        """Create an IMM project, whose service role must exist."""
        name, role = str(resource.properties["ProjectName"]), str(resource.properties.get("ServiceRole") or "")
        self._check_service_role(role)
        if not self.services.tasks.create_project(name, service_role=role):
            raise ProvisionFailed(f"ResourceAlreadyExists: the IMM project {name} exists; choose another Prefix")
        return name

    def update_project(self, resource: StackResource) -> None:
        """Change the service role of an IMM project."""
        role = str(resource.properties.get("ServiceRole") or DEFAULT_ROLE)
        self._check_service_role(role)
        self.services.tasks.update_project(str(resource.properties["ProjectName"]), service_role=role)

    def create_role(self, resource: StackResource) -> str:
        """Create a role, or leave an existing one alone if the template says so."""
        role = declared_role(self.account_id, resource.properties)
        if self.services.roles.find(role.arn):
            if str(resource.properties.get("IgnoreExisting")).lower() != "true":
                raise ProvisionFailed(f"EntityAlreadyExists.Role: the role {role.arn} exists; choose another Prefix")
        else:
            self.services.roles.put(role)
        return str(resource.properties["RoleName"])

    def update_role(self, resource: StackResource) -> None:
        """Change the policies of a role."""
        self.services.roles.put(declared_role(self.account_id, resource.properties))

    def create_function(self, resource: StackResource) -> str:
        """Create a function."""
        return self.services.manager.create(_function_document(resource.properties)).name

    def update_function(self, resource: StackResource) -> None:
        """Change a function."""
        document = _function_document(resource.properties)
        self.services.manager.update(str(document.pop("functionName")), document)

    def create_trigger(self, resource: StackResource) -> str:
        """Create a trigger."""
        document = _api_document(resource.properties)
        return self.services.manager.create_trigger(document.pop("functionName"), document).name

    def update_trigger(self, resource: StackResource) -> None:
        """Change a trigger."""
        document = _api_document(resource.properties)
        self.services.manager.update_trigger(document.pop("functionName"), document["triggerName"], document)

    def delete_trigger(self, record: ResourceRecord) -> None:
        """Delete a trigger."""
        self.services.manager.delete_trigger(record.properties["FunctionName"], record.properties["TriggerName"])

    def put_async(self, resource: StackResource) -> str:
        """Set the asynchronous settings of a function."""
        document = _api_document(resource.properties)
        name = str(document.pop("functionName"))
        document.pop("qualifier", None)
        self.services.manager.put_async(name, document)
        return name

    def invoke(self, resource: StackResource) -> str:
        """Invoke a function once. With CheckError an error of the function is a failure."""
        properties = resource.properties
        event = properties.get("Event") or ""
        result = self.services.functions.invoke(str(properties["FunctionName"]), str(event).encode())
        if result.error_type and str(properties.get("CheckError")).lower() == "true":
            raise ProvisionFailed(f"the function {properties['FunctionName']} failed: {describe_error(result)}")
        return str(properties["FunctionName"])

    def sleep(self, resource: StackResource) -> str:
        """Wait for CreateDuration seconds."""
        self.stopping.wait(float(resource.properties.get("CreateDuration") or 0) / self.time_scale)
        return resource.logical_id

    def record_only(self, resource: StackResource) -> str:
        """Create nothing: the local cloud has no such service."""
        return resource.logical_id

    def _call_custom(
        self, request: str, stack: StackRecord, logical_id: str, properties: Properties, physical_id: str = ""
    ) -> str:
        """Send an event to the function of a custom resource, wait for its answer, and return the physical id."""
        function = function_of(str(properties["ServiceToken"]))
        token = self.clock.token(16)
        url = f"{self.answers_url}{ANSWERS_PATH}{token}"
        event = {
            "RequestType": request,
            "RequestId": token,
            "ResponseURL": url,
            "IntranetResponseURL": url,
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "RegionId": self.services.functions.settings.region,
            "LogicalResourceId": logical_id,
            "ResourceType": CUSTOM,
            "ResourceProperties": properties.get("Parameters") or {},
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
        }
        self.answers.expect(token)
        self.services.functions.invoke_async(function, json.dumps(event).encode())
        answer = self.answers.wait(token, float(properties.get("Timeout") or 60))
        if answer.get("Status") != "SUCCESS":
            raise ProvisionFailed(f"the function {function} failed: {answer.get('Reason') or 'it gave no reason'}")
        return str(answer.get("PhysicalResourceId") or logical_id)

    def _check_service_role(self, name: str) -> None:
        if name in ("", DEFAULT_ROLE):
            return
        arn = role_arn(self.account_id, name)
        if why := self.services.roles.why_not_assumable(arn, "imm.aliyuncs.com"):
            raise ProvisionFailed(f"the service role {name} cannot be assumed by IMM: {why}")


def _nothing(*_: object) -> None:
    """Do nothing."""


def _message_kind(name: str, of: Callable[[Provisioner], Queues | Topics]) -> _Kind:
    """Return how queues or topics are created, changed and deleted; `name` is the property that has their name."""

    def create(self: Provisioner, resource: StackResource) -> str:
        declared = declared_resource(resource, name)
        of(self).create(declared.name, **declared.attributes)
        return declared.name

    def update(self: Provisioner, resource: StackResource) -> None:
        declared = declared_resource(resource, name)
        of(self).change(declared.name, **declared.attributes)

    def delete(self: Provisioner, record: ResourceRecord) -> None:
        of(self).delete(record.properties[name])

    return _Kind(create, update, delete, (name,))


_RECORD_ONLY = _Kind(Provisioner.record_only, _nothing, _nothing)
_KINDS: Mapping[str, _Kind] = {
    "ALIYUN::OSS::Bucket": _Kind(Provisioner.create_bucket, _nothing, Provisioner.delete_bucket, ("BucketName",)),
    "ALIYUN::MNS::Topic": _message_kind("TopicName", lambda self: self.services.messages.topics),
    "ALIYUN::MNS::Queue": _message_kind("QueueName", lambda self: self.services.messages.queues),
    "ALIYUN::MNS::Subscription": _Kind(
        Provisioner.create_subscription,
        _nothing,
        Provisioner.delete_subscription,
        ("TopicName", "SubscriptionName", "Endpoint", "NotifyStrategy", "NotifyContentFormat", "FilterTag"),
    ),
    "ALIYUN::IMM::Project2": _Kind(
        Provisioner.create_project,
        Provisioner.update_project,
        lambda self, record: self.services.tasks.delete_project(record.properties["ProjectName"]),
        ("ProjectName",),
    ),
    "ALIYUN::RAM::Role": _Kind(
        Provisioner.create_role,
        Provisioner.update_role,
        lambda self, record: self.services.roles.delete(role_arn(self.account_id, record.properties["RoleName"])),
        ("RoleName",),
    ),
    "ALIYUN::SLS::Project": _RECORD_ONLY,
    "ALIYUN::SLS::Logstore": _RECORD_ONLY,
    "ALIYUN::SLS::Index": _RECORD_ONLY,
    "ALIYUN::SLS::Alert": _RECORD_ONLY,
    "ALIYUN::CMS::ResourceMetricRule": _RECORD_ONLY,
    "ALIYUN::FC3::Function": _Kind(
        Provisioner.create_function,
        Provisioner.update_function,
        lambda self, record: self.services.manager.delete(record.properties["FunctionName"]),
        ("FunctionName",),
    ),
    "ALIYUN::FC3::Trigger": _Kind(
        Provisioner.create_trigger,
        Provisioner.update_trigger,
        Provisioner.delete_trigger,
        ("FunctionName", "TriggerName", "TriggerType", "SourceArn"),
    ),
    "ALIYUN::FC3::AsyncInvokeConfig": _Kind(
        Provisioner.put_async,
        Provisioner.put_async,
        lambda self, record: self.services.manager.delete_async(record.properties["FunctionName"]),
        ("FunctionName",),
    ),
    "ALIYUN::FC3::FunctionInvoker": _Kind(Provisioner.invoke, Provisioner.invoke, _nothing),
    "ALIYUN::ROS::Sleep": _Kind(Provisioner.sleep, _nothing, _nothing),
}


@contextmanager
def _failures() -> Iterator[None]:
    """Raise the errors of services and templates as ProvisionFailed."""
    try:
        yield
    except (ServiceError, BadDeployment, BadPolicy) as error:
        raise ProvisionFailed(str(error)) from error
    except KeyError as error:
        raise ProvisionFailed(f"the property {error} is missing") from error


def _function_document(properties: Properties) -> dict[str, Any]:
    """Return the document of a function; inline source becomes a package with index.py."""
    document = _api_document(properties)
    code = dict(document.get("code") or {})
    if source := code.pop("sourceCode", None):
        code = {"zipFile": zipped_source("index.py", str(source))}
    return {**document, "code": code}


def _api_document(properties: Properties) -> dict[str, Any]:
    """Return properties by the names of the API, which begin in lower case."""
    return {_api_name(name): value if name in _FREE_MAPS else _api_value(value) for name, value in properties.items()}


def _api_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _api_document(value)
    return [_api_value(item) for item in value] if isinstance(value, list) else value


def _api_name(name: str) -> str:
    return name[:1].lower() + name[1:]
