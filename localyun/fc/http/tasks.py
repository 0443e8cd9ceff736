"""The actions on asynchronous tasks. Without a qualifier they mean that of LATEST."""

from localyun.errors import ServiceError
from localyun.fc.answers import task_document
from localyun.fc.http.request import FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.fc.tasks import STATES, AsyncTask
from localyun.http import HttpResponse


def get_task(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetAsyncTask."""
    manager.functions.function(request.name)
    task = manager.functions.invocations.tasks.get(request.name, request.part, request.qualifier)
    return json_response(task_document(task, manager.functions.settings))


def stop_task(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """StopAsyncTask. The vendor does not document the answer for a task that has ended; here it changes nothing."""
    manager.functions.invocations.stop_task(request.name, request.part, request.qualifier)
    return json_response({})


def list_tasks(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListAsyncTasks. The vendor does not document the default order; here the newest is first."""
    query, settings = request.call.query, manager.functions.settings
    manager.functions.function(request.name)
    status, prefix = query.get("status"), query.get("prefix", "")
    if status and status not in STATES:
        raise ServiceError(400, "InvalidArgument", f"status is {status!r}; give one of {', '.join(sorted(STATES))}")
    order = _choice(request, "sortOrderByTime", "desc", "asc")
    with_payload = _choice(request, "includePayload", "false", "true") == "true"
    first, last = _time(request, "startedTimeBegin", 0), _time(request, "startedTimeEnd", 1 << 62)
    found = [
        (_token(task, order), task_document(task, settings, with_payload=with_payload))
        for task in manager.functions.invocations.tasks.list(request.name, request.qualifier)
        if task.id.startswith(prefix)
        and status in (None, "", task.status)
        and first <= round(task.started * 1000) <= last
    ]
    return request.page("tasks", sorted(found, key=lambda item: item[0]), by_prefix=False)


def _token(task: AsyncTask, order: str) -> str:
    """Return a text that sorts by the time of acceptance."""
    microseconds = round(task.accepted * 1_000_000)
    return f"{microseconds if order == 'asc' else 10**18 - microseconds:018}-{task.id}"


def _choice(request: FcRequest, name: str, *known: str) -> str:
    """Return a parameter, by default the first known value; refuse others."""
    given = (request.call.query.get(name) or known[0]).lower()
    if given not in known:
        raise ServiceError(400, "InvalidArgument", f"{name} is {given!r}; give {' or '.join(known)}")
    return given


def _time(request: FcRequest, name: str, default: int) -> int:
    """Return a time in milliseconds since 1970."""
    given = request.call.query.get(name) or str(default)
    if not (given.isascii() and given.isdigit()):
        raise ServiceError(400, "InvalidArgument", f"{name} is {given!r}; give milliseconds since 1970")
    return int(given)
