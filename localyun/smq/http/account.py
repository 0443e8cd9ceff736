"""The MNS actions on the account: its attributes, and the order of the service."""

from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, document
from localyun.smq.http.xml import Node, parse_integer


def get_attributes(request: MnsRequest) -> HttpResponse:
    """GetAccountAttributes: the bucket of the log, which the Python SDK requires, and whether calls are traced."""
    attributes = request.service.account.get()
    nodes: list[Node] = [("LoggingBucket", attributes.logging_bucket), ("TraceEnabled", attributes.trace_enabled)]
    return document(200, "Account", nodes)


def set_attributes(request: MnsRequest) -> HttpResponse:
    """SetAccountAttributes: change the attributes in the document."""
    root = request.xml("Account")
    bucket, traced = root.findtext("LoggingBucket"), parse_integer(root, "TraceEnabled")
    values = {"logging_bucket": bucket, "trace_enabled": traced}
    request.service.account.change(**{name: value for name, value in values.items() if value is not None})
    return HttpResponse(204)


def open_service(request: MnsRequest) -> HttpResponse:
    """OpenService: the service is always open here, so every order has succeeded (OpenServiceAction.java, 2026-11)."""
    return document(200, "OpenService", [("OrderId", request.service.order_id)])
