"""A request to Function Compute, and what all its actions share: JSON bodies, responses, pages."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localyun.errors import ServiceError
from localyun.fc.management import FunctionManager
from localyun.fc.values import LATEST
from localyun.http import HttpRequest, HttpResponse

OLD, NEW = "2016-08-15", "2023-03-30"
DEFAULT_PAGE, MAX_PAGE = 20, 100  # FC API, ListFunctions: limit (read 2026-11)


@dataclass(frozen=True)
class FcRequest:
    """A request: the call, the version of the API, the names of the function and of its part, and the request id.

    `service_qualifier` is the qualifier in the name of a service, which API 2016-08-15 has.
    """

    call: HttpRequest
    version: str
    name: str
    part: str
    request_id: str
    service_qualifier: str = ""

    @property
    def is_new(self) -> bool:
        """True for API 2023-03-30, whose triggers have their configuration as a JSON string."""
        return self.version == NEW

    @property
    def qualifier(self) -> str:
        """The version or alias of the function, by default LATEST."""
        return self.call.query.get("qualifier") or self.service_qualifier or LATEST

    def document(self) -> dict[str, Any]:
        """Return the JSON object in the body; raise `ServiceError` for anything else."""
        try:
            content = json.loads(self.call.read() or b"{}", parse_constant=_refuse_constant)
            json.dumps(content, ensure_ascii=False).encode()  # an unpaired surrogate cannot be stored or answered
        except ValueError as error:
            raise ServiceError(400, "InvalidArgument", f"the body is not valid JSON: {error}") from error
        if not isinstance(content, dict):
            raise ServiceError(400, "InvalidArgument", "the body must be a JSON object")
        return content

    def page(
        self, field: str, items: Iterable[tuple[str, Mapping[str, Any]]], *, by_prefix: bool = True
    ) -> HttpResponse:
        """Return a page of documents, each with its name, in the order given; the token is the next page's first name.

        With `by_prefix`, the query may restrict the names to those with a prefix.
        """
        query = self.call.query
        limit, start, prefix = query.get("limit") or str(DEFAULT_PAGE), query.get("nextToken"), query.get("prefix", "")
        if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= MAX_PAGE:
            raise ServiceError(400, "InvalidArgument", f"limit is {limit!r}; give an integer from 1 to {MAX_PAGE}")
        rest = [(name, document) for name, document in items if not by_prefix or name.startswith(prefix)]
        if start:
            rest = [(name, document) for name, document in rest if name >= start]
        page, following = rest[: int(limit)], rest[int(limit) :]
        token = {"nextToken": following[0][0]} if following else {}
        return json_response({field: [document for _, document in page], **token})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


Action = Callable[[FunctionManager, FcRequest], HttpResponse]


def json_response(document: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return a JSON response."""
    return HttpResponse(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
