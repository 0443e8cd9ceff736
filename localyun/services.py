"""The services of one local cloud, with the resources that a deployment declares. No HTTP.

This module knows which service uses which other, and in which order they stop.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from localyun.clock import CloudClock
from localyun.deploy.declared import DeclaredResource, Deployment
from localyun.errors import ServiceError
from localyun.faults import FaultInjector
from localyun.fc.destinations import deliver_record
from localyun.fc.service import FunctionService
from localyun.fc.triggers import ObjectTriggers, Timers, TopicTriggers
from localyun.fc.values import FcSettings, ObjectTrigger, TimerTrigger, TopicTrigger, function_of
from localyun.imm.service import TaskService
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Keyring
from localyun.ram.policies import Authorizer
from localyun.smq.queues import Queues
from localyun.smq.service import MessageService
from localyun.smq.topics import Topics

Trigger = TypeVar("Trigger")


@dataclass(frozen=True)
class ServiceContext:
    """What services are created from; `variables` are the endpoint variables of every function."""

    data: Path
    clock: CloudClock
    keyring: Keyring
    variables: Mapping[str, str]
    authorizer: Authorizer
    faults: FaultInjector
    time_scale: float = 1.0


@dataclass(frozen=True)
class Services:
    """The four services and the timers."""

    objects: ObjectService
    messages: MessageService
    tasks: TaskService
    functions: FunctionService
    timers: Timers

    def start(self) -> None:
        """Start the workers; unfinished work of an earlier run comes first."""
        self.functions.start()
        self.messages.start()
        self.tasks.start()
        self.timers.start()


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
    role_may = _service_roles(deployment, context.authorizer)
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
    timers = Timers(_of_type(TimerTrigger, deployment), functions, clock)
    exits.callback(timers.close)
    services = Services(objects, messages, tasks, functions, timers)
    _create(deployment, services, faults)
    return services


def _of_type(kind: type[Trigger], deployment: Deployment) -> list[Trigger]:
    return [trigger for trigger in deployment.triggers if isinstance(trigger, kind)]


def _functions(deployment: Deployment, context: ServiceContext, messages: MessageService) -> FunctionService:
    """Return the function service with the declared functions."""
    site = FcSettings(deployment.account_id, deployment.region, context.variables, time_scale=context.time_scale)
    roles = {config.name: config.role for config in deployment.functions}

    def send_record(arn: str, record: str) -> None:
        """Send an invocation record to its destination, with the permissions of the function's role."""
        function = function_of(json.loads(record)["requestContext"]["functionArn"])
        if not context.authorizer.may_send(roles.get(function, ""), arn):
            text = f"the role of function {function} may not deliver to {arn}; grant it"
            raise ServiceError(403, "AccessDenied", text)
        deliver_record(messages, arn, record)

    folder = context.data / "functions"
    functions = FunctionService(folder, context.clock, context.keyring, site, send_record, context.faults)
    for config in deployment.functions:
        functions.deploy(config)
    return functions


def _service_roles(deployment: Deployment, authorizer: Authorizer) -> Callable[..., bool]:
    """Return what tests permissions of the service roles of IMM projects: `may(project, action, *names)`.

    Projects without a declared role, such as those of CreateProject, have IMM's default role, which may read and write
    every bucket and publish to every topic.
    """

    def may(project: str, action: str, *names: str) -> bool:
        role = deployment.service_roles.get(project)
        return not role or authorizer.may(role, action, *names)

    return may


def _publisher(role_may: Callable[..., bool], messages: MessageService) -> Callable[[str, str], None]:
    """Return how IMM publishes completion notifications: with the service role of the task's project."""

    def publish(topic: str, text: str) -> None:
        project = json.loads(json.loads(text)["content"])["ProjectName"]
        if not role_may(project, "mns:PublishMessage", topic):
            text = f"IMM's service role may not mns:PublishMessage to {topic}; grant it"
            raise ServiceError(403, "AccessDenied", text)
        messages.publish(topic, text)

    return publish


def _create(deployment: Deployment, services: Services, faults: FaultInjector) -> None:
    """Create the declared resources; update the attributes of existing ones."""
    messages, tasks = services.messages, services.tasks
    for bucket in deployment.buckets:
        services.objects.create_bucket(bucket)
    for queue in deployment.queues:
        _create_or_change(messages.queues, queue)
    for topic in deployment.topics:
        _create_or_change(messages.topics, topic)
    for project in deployment.projects:
        tasks.create_project(project)
    for attachment in deployment.attachments:
        if tasks.attachment(attachment.bucket) != attachment.project:
            tasks.attach(attachment.bucket, attachment.project)
    for sub in deployment.subscriptions:
        options = {"strategy": sub.strategy, "content_format": sub.content_format, "filter_tag": sub.filter_tag}
        messages.topics.subscribe(sub.topic, sub.name, endpoint=sub.endpoint, **options)
    ObjectTriggers(_of_type(ObjectTrigger, deployment), services.functions, faults).connect(services.objects)
    TopicTriggers(_of_type(TopicTrigger, deployment), services.functions).connect(messages)


def _create_or_change(resources: Queues | Topics, declared: DeclaredResource) -> None:
    try:
        resources.create(declared.name, **declared.attributes)
    except ServiceError as error:
        if error.status != 409:
            raise
        resources.change(declared.name, **declared.attributes)
