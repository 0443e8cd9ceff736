"""The actions on asynchronous settings and reserved concurrency, and lists of what the local cloud never has."""

from collections.abc import Sequence

from localyun.fc.answers import async_document, concurrency_document
from localyun.fc.deployed import DeployedFunction
from localyun.fc.http.request import Action, FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.fc.values import function_arn
from localyun.http import HttpResponse


def put_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """PutAsyncInvokeConfig."""
    rules = manager.put_async(request.name, request.document(), request.qualifier)
    return json_response(async_document(request.name, rules, manager.functions.settings, request.qualifier))


def get_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetAsyncInvokeConfig."""
    rules = manager.async_config(request.name, request.qualifier)
    return json_response(async_document(request.name, rules, manager.functions.settings, request.qualifier))


def delete_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteAsyncInvokeConfig."""
    manager.delete_async(request.name, request.qualifier)
    return HttpResponse(204)


def list_async_configs(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListAsyncInvokeConfigs of one function, or of all."""
    settings = manager.functions.settings
    found = [
        (f"{function.name}/{qualifier}", async_document(function.name, rules, settings, qualifier))
        for function in _functions(manager, request)
        for qualifier, rules in sorted(function.asynchronous.items())
    ]
    return request.page("configs", found)


def put_concurrency(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """PutConcurrencyConfig."""
    reserved = manager.put_concurrency(request.name, request.document())
    return json_response(concurrency_document(request.name, reserved, manager.functions.settings))


def get_concurrency(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetConcurrencyConfig."""
    reserved = manager.concurrency(request.name)
    return json_response(concurrency_document(request.name, reserved, manager.functions.settings))


def delete_concurrency(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteConcurrencyConfig."""
    manager.delete_concurrency(request.name)
    return HttpResponse(204)


def list_concurrency(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListConcurrencyConfigs of one function, or of all."""
    settings = manager.functions.settings
    found = [
        (function.name, concurrency_document(function.name, function.reserved, settings))
        for function in _functions(manager, request)
        if function.reserved is not None
    ]
    return request.page("configs", found)


def none_of(field: str) -> Action:
    """Return an action that lists nothing: one machine has no VPC, and no instances to provision or to scale."""

    def list_none(manager: FunctionManager, request: FcRequest) -> HttpResponse:
        if request.name:
            manager.functions.get(request.name)
        return json_response({field: []})

    return list_none


def get_provision(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetProvisionConfig: no instance is provisioned."""
    arn = function_arn(request.name, manager.functions.settings, request.qualifier)
    manager.functions.get(request.name, request.qualifier)
    return json_response({"functionArn": arn, "target": 0, "current": 0})


def get_scaling(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetScalingConfig: nothing is set. fc3 0.1.22 repeats the call after other answers than 200, 400, 403 and 404."""
    manager.functions.get(request.name, request.qualifier)
    return json_response({})


def _functions(manager: FunctionManager, request: FcRequest) -> Sequence[DeployedFunction]:
    """Return the function that the query names, or all in order of their names."""
    given = request.call.query.get("functionName")
    return [manager.functions.function(given)] if given else manager.functions.functions()
