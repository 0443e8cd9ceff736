"""The resources of a ROS template as the local services know them: queues, topics, subscriptions, roles. Pure."""

from collections.abc import Mapping
from typing import Any

from localyun.deploy.declared import BadDeployment, DeclaredResource, DeclaredSubscription
from localyun.deploy.ros_template import StackResource
from localyun.ram.values import Role, role_arn
from localyun.smq.values import QUEUE_ELEMENTS, SUBSCRIPTION_ELEMENTS

ATTRIBUTES = {**QUEUE_ELEMENTS, "LoggingEnabled": "logging_enabled"}


def declared_resource(resource: StackResource, name: str) -> DeclaredResource:
    """Return a queue or topic; `name` is the property that has its name. Raises BadDeployment."""
    attributes = {key: value for key, value in resource.properties.items() if key not in (name, "Tags")}
    if unknown := sorted(set(attributes) - set(ATTRIBUTES)):
        known = ", ".join([name, *ATTRIBUTES])
        raise BadDeployment(f"Resources.{resource.logical_id}: {', '.join(unknown)} is unknown here; known: {known}")
    return DeclaredResource(
        str(resource.properties[name]), {ATTRIBUTES[key]: value for key, value in attributes.items()}
    )


def declared_subscription(props: Mapping[str, Any]) -> DeclaredSubscription:
    """Return the subscription of a resource's properties."""
    options = {option: str(props[name]) for name, option in SUBSCRIPTION_ELEMENTS.items() if name in props}
    topic, name, endpoint = (str(props[name]) for name in ("TopicName", "SubscriptionName", "Endpoint"))
    return DeclaredSubscription(topic, name, endpoint, **options)


def declared_role(account: str, props: Mapping[str, Any]) -> Role:
    """Return the role of a resource's properties."""
    return Role(
        arn=role_arn(account, str(props["RoleName"])),
        trust=props.get("AssumeRolePolicyDocument") or {},
        policies=tuple(policy["PolicyDocument"] for policy in props.get("Policies") or ()),
        system_policies=tuple((props.get("PolicyAttachments") or {}).get("System") or ()),
    )
