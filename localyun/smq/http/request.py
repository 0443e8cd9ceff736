"""An MNS request as its actions see it, authenticated and authorized, and the usual replies."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse
from localyun.smq.http.xml import CONTENT_TYPE, Content, Node, format_document, parse_request
from localyun.smq.service import MessageService
from localyun.smq.values import Page

MAX_PAGE = 1000


@dataclass(frozen=True)
class MnsRequest:
    """An authorized request; `names` are the variable parts of its path."""

    call: HttpRequest
    service: MessageService
    host: str
    names: tuple[str, ...]

    @property
    def host_label(self) -> str:
        """The first label of the host, which is the account in the vendor's host names."""
        return (urlsplit(self.host).hostname or "").partition(".")[0]

    def xml(self, *roots: str) -> Element:
        """Return the root of the body; raise `ServiceError` unless it has one of the given names."""
        return parse_request(self.call.read(), *roots)

    def number(self, name: str, low: int, high: int) -> int | None:
        """Return an integer of the query, None if it is not given; raise `ServiceError` if it is out of range."""
        text = self.call.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            message = f'Http request URL contains invalid querystring item "{name}": use {low} to {high}.'
            raise ServiceError(400, "InvalidQueryString", message)
        return int(text)

    def handle(self) -> str:
        """Return the receipt handle in the query; raise `ServiceError` if there is none."""
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

    def url(self, *path: str) -> str:
        """Return the URL of a resource at this endpoint."""
        return "/".join((self.host, *path))


def document(status: int, name: str, content: Content) -> HttpResponse:
    """Return a reply with an XML document."""
    return HttpResponse(status, format_document(name, content), {"Content-Type": CONTENT_TYPE})


def created(new: bool, url: str) -> HttpResponse:
    """Return the reply to a creation: 201 for a new resource, 204 for an existing equal one."""
    return HttpResponse(201 if new else 204, b"", {"Location": url})


def reply_with_page(name: str, items: Iterable[Node], page: Page) -> HttpResponse:
    """Return a reply with a page of a list. The SDK cannot parse an empty marker: the last page has none."""
    marker: list[Node] = [("NextMarker", page.next_marker)] if page.next_marker else []
    return document(200, name, [*items, *marker])


def parse_boolean(text: str) -> bool:
    """Parse a Boolean, which the vendor's SDKs write as True, true, False or false; raise `ServiceError` for others."""
    if text.strip().lower() not in ("true", "false"):
        raise ServiceError(400, "InvalidArgument", f'"{text}" must be true or false.')
    return text.strip().lower() == "true"
