"""Checks the triggers of functions against the resources that the project declares."""

from collections.abc import Iterator
from contextlib import contextmanager

from localyun.deploy.declared import BadDeployment, Deployment
from localyun.fc.configuration import BadConfiguration, check_bucket_triggers
from localyun.fc.values import ObjectTrigger, TopicTrigger


@contextmanager
def deployment_errors(prefix: str = "") -> Iterator[None]:
    """Raise errors of a function's configuration as BadDeployment."""
    try:
        yield
    except BadConfiguration as error:
        raise BadDeployment(f"{prefix}{error}") from error


def check_triggers(deployment: Deployment) -> None:
    """Raise `BadDeployment` if a trigger's source is not declared, or if OSS would reject the triggers of a bucket."""
    topics = [topic.name for topic in deployment.topics]
    for trigger in deployment.triggers:
        if isinstance(trigger, ObjectTrigger):
            _check_declared("bucket", trigger.bucket, list(deployment.buckets), trigger.name)
        if isinstance(trigger, TopicTrigger):
            _check_declared("topic", trigger.topic, topics, trigger.name)
    with deployment_errors("s.yaml: "):
        check_bucket_triggers(deployment.triggers)


def _check_declared(kind: str, name: str, known: list[str], trigger: str) -> None:
    if name not in known:
        raise BadDeployment(
            f"s.yaml: trigger {trigger}: sourceArn names the {kind} {name!r}, which no template declares; "
            f"declared: {', '.join(known) or 'none'}"
        )
