"""The actions on versions and aliases."""

from localyun.errors import ServiceError
from localyun.fc.answers import alias_document, version_document
from localyun.fc.http.request import FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.http import HttpResponse


def publish_version(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """PublishFunctionVersion."""
    description = str(request.document().get("description") or "")
    return json_response(version_document(manager.versions.publish(request.name, description)))


def delete_version(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteFunctionVersion."""
    manager.versions.delete(request.name, request.part)
    return HttpResponse(204)


def list_versions(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListFunctionVersions, newest first unless the direction is FORWARD."""
    direction = request.call.query.get("direction") or "BACKWARD"
    if direction not in ("BACKWARD", "FORWARD"):
        raise ServiceError(400, "InvalidArgument", f"direction is {direction!r}; give BACKWARD or FORWARD")
    forward = direction == "FORWARD"
    versions = manager.functions.function(request.name).versions()
    numbered = [(int(config.version), version_document(config)) for config in versions]
    # Tokens compare as texts: digits in a fixed width, counted down for BACKWARD.
    items = sorted((f"{number if forward else 10**10 - number:011}", document) for number, document in numbered)
    return request.page("versions", items)


def create_alias(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """CreateAlias."""
    return json_response(alias_document(manager.versions.create_alias(request.name, request.document())))


def get_alias(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetAlias."""
    return json_response(alias_document(manager.versions.alias(request.name, request.part)))


def update_alias(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """UpdateAlias."""
    alias = manager.versions.update_alias(request.name, request.part, request.document())
    return json_response(alias_document(alias))


def delete_alias(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteAlias."""
    manager.versions.delete_alias(request.name, request.part)
    return HttpResponse(204)


def list_aliases(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListAliases."""
    aliases = manager.functions.function(request.name).aliases
    return request.page("aliases", ((name, alias_document(alias)) for name, alias in sorted(aliases.items())))
