"""What every MNS action gets and gives: a request that is who and what it claims, and the usual replies."""

from collections.abc import Iterable
from dataclasses import dataclass

from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse
from localyun.smq.http.xml import CONTENT_TYPE, Content, Element, Node, format_document, parse_request
from localyun.smq.service import MessageService
from localyun.smq.values import Page

MAX_PAGE = 1000


@dataclass(frozen=True)
class MnsRequest:
    """One authorised request; `names` are the variable parts of its path."""

    call: HttpRequest
    service: MessageService
    host: str
    names: tuple[str, ...]

    def xml(self, *roots: str) -> Element:
        """Return the body's root, which must have one of these names."""
        return parse_request(self.call.read(), *roots)

    def given(self) -> bytes:
        """Return the body as it came."""
        return self.call.read()

    def number(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number of the query, None without one; refuses what is out of range."""
        text = self.call.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            problem = f'Http request URL contains invalid querystring item "{name}": use {low} to {high}.'
            raise ServiceError(400, "InvalidQueryString", problem)
        return int(text)

    def handle(self) -> str:
        """Return the receipt handle of the query; refuses a request without."""
        if handle := self.call.query.get("ReceiptHandle"):
            return handle
        raise ServiceError(400, "MissingReceiptHandle", "ReceiptHandle is required, as a query parameter.")

    def paging(self) -> tuple[str, str, int]:
        """Return the prefix, marker and page size of a list request."""
        headers = self.call.headers
        text = headers.get("x-mns-ret-number", str(MAX_PAGE))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PAGE:
            raise ServiceError(400, "InvalidArgument", f'x-mns-ret-number must be 1 to {MAX_PAGE}, not "{text}".')
        return headers.get("x-mns-prefix", ""), headers.get("x-mns-marker", ""), int(text)

    def with_meta(self) -> bool:
        """Tell whether a list request asks for attributes too."""
        return self.call.headers.get("x-mns-with-meta", "").lower() == "true"

    def url(self, *path: str) -> str:
        """Return the address of something here."""
        return "/".join((self.host, *path))


def document(status: int, name: str, content: Content) -> HttpResponse:
    """HttpResponse with an XML document."""
    return HttpResponse(status, format_document(name, content), {"Content-Type": CONTENT_TYPE})


def made(new: bool, url: str) -> HttpResponse:
    """HttpResponse to a request that makes something: 201 when it is new, 204 when the same was there."""
    return HttpResponse(201 if new else 204, b"", {"Location": url})


def listed(name: str, items: Iterable[Node], page: Page) -> HttpResponse:
    """HttpResponse with a page of a list. The SDK cannot read an empty marker: the last page has none."""
    more: list[Node] = [("NextMarker", page.next_marker)] if page.next_marker else []
    return document(200, name, [*items, *more])


def truth(text: str) -> bool:
    """Return what a boolean element says; the vendor's SDKs write True, true, False and false."""
    if text.strip().lower() not in ("true", "false"):
        raise ServiceError(400, "InvalidArgument", f'"{text}" must be true or false.')
    return text.strip().lower() == "true"
