"""The services of one local cloud, made from a deployment: what it declares exists when this is done.

Knows which service needs which other, and in which order they end. Knows no HTTP. Called by `localyun.server`.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from localyun.clock import Clock
from localyun.deploy.declared import DeclaredResource, Deployment
from localyun.errors import Refusal
from localyun.faults import Weather
from localyun.fc.destinations import send_record
from localyun.fc.service import FunctionService
from localyun.fc.triggers import ObjectTriggers, Timers, TopicTriggers
from localyun.fc.values import FcSettings, ObjectTrigger, TimerTrigger, TopicTrigger, function_of
from localyun.imm.service import TaskService
from localyun.oss.service import ObjectStore
from localyun.ram.credentials import Keyring
from localyun.ram.policies import Rights
from localyun.smq.service import MessageService


@dataclass(frozen=True)
class Setting:
    """What services are made of: where they keep data, clock, keys, rights, where functions find them, the weather."""

    data: Path
    clock: Clock
    keyring: Keyring
    endpoints: Mapping[str, str]
    rights: Rights
    weather: Weather
    hurry: float = 1.0


@dataclass(frozen=True)
class Services:
    """The four services and the timers, not yet started."""

    objects: ObjectStore
    messages: MessageService
    tasks: TaskService
    functions: FunctionService
    timers: Timers

    def start(self) -> None:
        """Begin to work, first of all on what an earlier run left undone."""
        self.functions.start()
        self.messages.start()
        self.tasks.start()
        self.timers.start()


def make_services(deployment: Deployment, setting: Setting, exits: ExitStack) -> Services:
    """Make the services and what is declared in them; `exits` will end them, in the right order.

    Tasks end before the topics that they tell; deliveries stop before the functions that they wait for.
    """
    account, region, weather = deployment.account_id, deployment.region, setting.weather
    objects = ObjectStore(setting.data / "objects", setting.clock)
    exits.callback(objects.close)
    messages = MessageService(
        setting.data / "messages",
        setting.clock,
        account_id=account,
        region=region,
        hurry=setting.hurry,
        weather=weather,
    )
    exits.callback(messages.close)
    functions = _functions(deployment, setting, messages)
    exits.callback(functions.close)
    exits.callback(messages.stop)
    tasks = TaskService(
        setting.data / "tasks",
        setting.clock,
        objects=objects,
        publish=_completions(deployment, setting.rights, messages),
        account_id=account,
        region=region,
        weather=weather,
    )
    exits.callback(tasks.close)
    timers = Timers([t for t in deployment.triggers if isinstance(t, TimerTrigger)], functions, setting.clock)
    exits.callback(timers.close)
    services = Services(objects, messages, tasks, functions, timers)
    create(deployment, services, weather)
    return services


def _functions(deployment: Deployment, setting: Setting, messages: MessageService) -> FunctionService:
    """Make the function service and deploy the functions."""
    site = FcSettings(deployment.account_id, deployment.region, setting.endpoints, hurry=setting.hurry)
    roles = {config.name: config.role for config in deployment.functions}

    def tell(arn: str, record: str) -> None:
        """Deliver the record of an event that has ended, with the rights of the function's role."""
        function = function_of(json.loads(record)["requestContext"]["functionArn"])
        if not setting.rights.may_send(roles.get(function, ""), arn):
            raise Refusal(403, "AccessDenied", f"the role of function {function} may not deliver to {arn}; grant it")
        send_record(messages, arn, record)

    functions = FunctionService(setting.data / "functions", setting.clock, setting.keyring, site, tell, setting.weather)
    for config in deployment.functions:
        functions.deploy(config)
    return functions


def _completions(deployment: Deployment, rights: Rights, messages: MessageService) -> Callable[[str, str], object]:
    """Return how IMM publishes completions: with the service role of the task's project, where one is declared.

    A project without one, such as CreateProject makes, has IMM's default role, which may publish to every topic.
    """

    def publish(topic: str, text: str) -> None:
        role = deployment.service_roles.get(json.loads(json.loads(text)["content"])["ProjectName"])
        if role and not rights.may_send(role, f":/topics/{topic}/messages"):
            raise Refusal(403, "AccessDenied", f"IMM's service role may not mns:PublishMessage to {topic}; grant it")
        messages.publish(topic, text)

    return publish


def create(deployment: Deployment, services: Services, weather: Weather) -> None:
    """Create what is declared; what exists from an earlier run stays, with the attributes now declared."""
    for bucket in deployment.buckets:
        services.objects.create_bucket(bucket)
    for queue in deployment.queues:
        _queue(services.messages, queue)
    for topic in deployment.topics:
        _topic(services.messages, topic)
    for project in deployment.projects:
        services.tasks.create_project(project)
    for attachment in deployment.attachments:
        _attach(services.tasks, attachment.bucket, attachment.project)
    for sub in deployment.subscriptions:
        options = {"strategy": sub.strategy, "content_format": sub.content_format, "filter_tag": sub.filter_tag}
        services.messages.topics.subscribe(sub.topic, sub.name, endpoint=sub.endpoint, **options)
    objects = [trigger for trigger in deployment.triggers if isinstance(trigger, ObjectTrigger)]
    topics = [trigger for trigger in deployment.triggers if isinstance(trigger, TopicTrigger)]
    ObjectTriggers(objects, services.functions, weather).connect(services.objects)
    TopicTriggers(topics, services.functions).connect(services.messages)


def _queue(messages: MessageService, queue: DeclaredResource) -> None:
    """Create a queue, or change an existing one to what is declared."""
    try:
        messages.queues.create(queue.name, **queue.attributes)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        messages.queues.change(queue.name, **queue.attributes)


def _topic(messages: MessageService, topic: DeclaredResource) -> None:
    """Create a topic, or change an existing one to what is declared."""
    try:
        messages.topics.create(topic.name, **topic.attributes)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        messages.topics.change(topic.name, **topic.attributes)


def _attach(tasks: TaskService, bucket: str, project: str) -> None:
    """Attach a bucket to an IMM project; one that is attached to another is attached anew."""
    if (now := tasks.attachment(bucket)) != project:
        if now is not None:
            tasks.detach(bucket)
        tasks.attach(bucket, project)
