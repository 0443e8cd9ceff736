"""Checks that roles are declared, may be assumed by their services, and can be evaluated by the local cloud."""

from collections.abc import Iterator, Mapping

from localyun.deploy.declared import BadDeployment, Deployment
from localyun.fc.values import ObjectTrigger, TimerTrigger, TopicTrigger
from localyun.ram.policies import BadPolicy

_SOURCES: Mapping[type, str] = {ObjectTrigger: "oss.aliyuncs.com", TopicTrigger: "mns.aliyuncs.com"}


def check_roles(deployment: Deployment) -> None:
    """Raise `BadDeployment` if a function, trigger or IMM project uses a role that is not declared or not trusted."""
    for role in deployment.roles:
        try:
            role.statements()
        except BadPolicy as error:
            raise BadDeployment(f"template: role {_name(role.arn)}: {error}") from error
    declared = {role.arn: role for role in deployment.roles}
    for user, service, arn in _users(deployment):
        if arn.lower() not in declared:
            known = ", ".join(map(_name, declared)) or "none"
            raise BadDeployment(f"{user}: no template declares the role {_name(arn)!r}; declared: {known}")
        if not declared[arn.lower()].trusts(service):
            raise BadDeployment(
                f"{user}: {service} may not assume the role {_name(arn)}; add it to Principal.Service of "
                "AssumeRolePolicyDocument"
            )


def _users(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yield the users of roles: a description of the user, its service, the role's ARN."""
    for config in deployment.functions:
        if config.role:
            yield f"s.yaml: function {config.name}", "fc.aliyuncs.com", config.role
    for trigger in deployment.triggers:
        if not isinstance(trigger, TimerTrigger) and trigger.role:
            yield f"s.yaml: trigger {trigger.name}", _SOURCES[type(trigger)], trigger.role
    for project, arn in deployment.service_roles.items():
        yield f"template: IMM project {project}", "imm.aliyuncs.com", arn


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
