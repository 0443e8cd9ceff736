"""The services of one local cloud, with the resources that a deployment declares. No HTTP.

This module knows which service uses which other, and in which order they stop.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from localyun.clock import CloudClock
from localyun.deploy.declared import Deployment
from localyun.deploy.own_programs import PROJECT
from localyun.errors import ServiceError
from localyun.faults import FaultInjector
from localyun.fc.code_uploads import CodeUploads
from localyun.fc.destinations import deliver_record
from localyun.fc.management import FunctionManager
from localyun.fc.service import FunctionService
from localyun.fc.triggers import Triggers
from localyun.fc.values import FcSettings, function_of, qualifier_of
from localyun.imm.service import TaskService
from localyun.imm.values import DEFAULT_ROLE
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Keyring
from localyun.ram.policies import Authorizer
from localyun.ram.store import RoleStore
from localyun.ram.values import role_arn
from localyun.smq.service import MessageService


@dataclass(frozen=True)
class ServiceContext:
    """What services are created from; `variables` are the endpoint variables of every function."""

    data: Path
    clock: CloudClock
    keyring: Keyring
    variables: Mapping[str, str]
    roles: RoleStore
    authorizer: Authorizer
    faults: FaultInjector
    time_scale: float = 1.0


@dataclass(frozen=True)
class Services:
    """The services of a local cloud."""

    objects: ObjectService
    messages: MessageService
    tasks: TaskService
    functions: FunctionService
    triggers: Triggers
    manager: FunctionManager
    roles: RoleStore

    def start(self) -> None:
        """Start the workers; unfinished work of an earlier run comes first."""
        self.functions.start()
        self.messages.start()
        self.tasks.start()
        self.triggers.start()


def make_services(deployment: Deployment, context: ServiceContext, exits: ExitStack) -> Services:
    """Return the services, not yet started, with the declared resources. `exits` stops them in the right order.

    Tasks stop before the topics that they notify; deliveries stop before the functions that they wait for.
    """
    data, clock, faults, scale = context.data, context.clock, context.faults, context.time_scale
    account, region = deployment.account_id, deployment.region
    objects = ObjectService(data / "objects", clock)
    exits.callback(objects.close)
    messages = MessageService(
        data / "messages", clock, account_id=account, region=region, time_scale=scale, faults=faults
    )
    exits.callback(messages.close)
    functions = _functions(deployment, context, messages)
    exits.callback(functions.close)
    exits.callback(messages.stop)
    triggers = Triggers(functions, objects, messages, clock, faults, partial(_trigger_may, context))
    exits.callback(triggers.close)
    role_may = _service_roles(context, account, lambda project: tasks.project(project).service_role)
    tasks = TaskService(
        data / "tasks",
        clock,
        objects=objects,
        publish=_publisher(role_may, messages),
        account_id=account,
        region=region,
        role_may=role_may,
        faults=faults,
    )
    exits.callback(tasks.close)

    uploads = CodeUploads(objects, context.keyring, context.roles, clock, account)
    check_role = partial(_check_role, context.roles)
    manager = FunctionManager(data / "functions", clock, functions, triggers, uploads, check_role)
    exits.callback(manager.close)
    services = Services(objects, messages, tasks, functions, triggers, manager, context.roles)
    manager.restore()
    _create(deployment, services)
    return services


def _trigger_may(context: ServiceContext, action: str, role: str, function: str) -> bool:
    """Return True if the role of a trigger has a permission on a function."""
    return context.authorizer.may(role.lower(), action, function)


def _check_role(roles: RoleStore, arn: str) -> None:
    """Raise ServiceError if Function Compute cannot assume a role."""
    if why := roles.why_not_assumable(arn, "fc.aliyuncs.com"):
        raise ServiceError(400, "InvalidArgument", f"the role {arn} cannot be assumed: {why}")


def _functions(deployment: Deployment, context: ServiceContext, messages: MessageService) -> FunctionService:
    """Return the function service, without functions."""
    site = FcSettings(deployment.account_id, deployment.region, context.variables, time_scale=context.time_scale)

    def send_record(arn: str, record: str) -> None:
        """Send an invocation record to its destination, with the permissions of the function's role."""
        source = json.loads(record)["requestContext"]["functionArn"]
        function = function_of(source)
        if not context.authorizer.may_send(functions.get(function, qualifier_of(source)).role, arn):
            text = f"the role of function {function} may not deliver to {arn}; grant it"
            raise ServiceError(403, "AccessDenied", text)
        deliver_record(messages, arn, record)

    folder = context.data / "functions"
    functions = FunctionService(folder, context.clock, context.keyring, site, send_record, context.faults)
    return functions


def _service_roles(context: ServiceContext, account_id: str, service_role: Callable[[str], str]) -> Callable[..., bool]:
    """Return what tests permissions of the service roles of IMM projects: `may(project, action, *names)`.

    IMM's default role may read and write every bucket and publish to every topic.
    """

    def may(project: str, action: str, *names: str) -> bool:
        role = service_role(project)
        return role == DEFAULT_ROLE or context.authorizer.may(role_arn(account_id, role), action, *names)

    return may


def _publisher(role_may: Callable[..., bool], messages: MessageService) -> Callable[[str, str], None]:
    """Return how IMM publishes completion notifications: with the service role of the task's project."""

    def publish(topic: str, text: str) -> None:
        project = json.loads(json.loads(text)["content"])["ProjectName"]
        if not role_may(project, "mns:PublishMessage", topic):
            text = (
                f"the service role of the IMM project {project} may not mns:PublishMessage to it; grant that, "
                f"or attach the bucket to a project with {DEFAULT_ROLE}, such as {PROJECT}"
            )
            raise ServiceError(403, "AccessDenied", text)
        messages.publish(topic, text)

    return publish


def _create(deployment: Deployment, services: Services) -> None:
    """Create the declared resources; update the attributes of existing ones."""
    messages, tasks = services.messages, services.tasks
    for role in deployment.roles:
        services.roles.put(role)
    for bucket in deployment.buckets:
        services.objects.create_bucket(bucket)
    for queue in deployment.queues:
        messages.queues.put(queue.name, **queue.attributes)
    for topic in deployment.topics:
        messages.topics.put(topic.name, **topic.attributes)
    for project in deployment.projects:
        tasks.create_project(project)
        service_role = deployment.service_roles.get(project, DEFAULT_ROLE).rpartition("/")[2]
        tasks.update_project(project, service_role=service_role)
    for attachment in deployment.attachments:
        if tasks.attachment(attachment.bucket) != attachment.project:
            tasks.attach(attachment.bucket, attachment.project)
    _deploy(deployment, services)


def _deploy(deployment: Deployment, services: Services) -> None:
    """Deploy the declared functions, and connect what invokes them."""
    for sub in deployment.subscriptions:
        services.messages.topics.subscribe(sub.topic, sub.name, **sub.options)
    for config in deployment.functions:
        services.functions.deploy(config)
    for trigger in deployment.triggers:
        services.triggers.put(trigger)
