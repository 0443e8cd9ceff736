"""Checks that roles are declared, trusted by the services that take them, and understood by the local cloud."""

from collections.abc import Iterator

from localyun.deploy.declared import BadDeployment, Deployment
from localyun.ram.policies import BadPolicy


def check_roles(deployment: Deployment) -> None:
    """Complain where a function or an IMM project takes a role that is not there or does not let it in."""
    for role in deployment.roles:
        try:
            role.statements()
        except BadPolicy as error:
            raise BadDeployment(f"template: role {_name(role.arn)}: {error}") from error
    declared = {role.arn: role for role in deployment.roles}
    for taker, service, arn in _takers(deployment):
        if arn.lower() not in declared:
            known = ", ".join(map(_name, declared)) or "none"
            raise BadDeployment(f"{taker}: no template declares the role {_name(arn)!r}; declared: {known}")
        if not declared[arn.lower()].trusts(service):
            raise BadDeployment(
                f"{taker}: the role {_name(arn)} does not let {service} take it; add it to Principal.Service of "
                "AssumeRolePolicyDocument"
            )


def _takers(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Name who takes a role: what it is, the service, the role."""
    for config in deployment.functions:
        if config.role:
            yield f"s.yaml: function {config.name}", "fc.aliyuncs.com", config.role
    for project, arn in deployment.service_roles.items():
        yield f"template: IMM project {project}", "imm.aliyuncs.com", arn


def _name(arn: str) -> str:
    """Return a role's name."""
    return arn.rpartition("/")[2]
