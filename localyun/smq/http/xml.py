"""XML of MNS: responses, and request documents. Knows elements and the namespace, no actions."""

from collections.abc import Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

from localyun import xml
from localyun.errors import ServiceError
from localyun.smq.values import Properties, Property

Content: TypeAlias = "str | int | Sequence[Node]"
Node: TypeAlias = "tuple[str, Content]"

CONTENT_TYPE = "text/xml;charset=utf-8"
# The Java SDK reads no error in a namespace that ends with a slash, and its consumers then stop at an empty queue
# (ErrorMessage.java, 2026-11). Requests of the Go SDK and of npm's ali-mns have no namespace, others either form.
NAMESPACE = "http://mns.aliyuncs.com/doc/v1"
NAMESPACES = ("", f"{{{NAMESPACE}}}", f"{{{NAMESPACE}/}}")
USER, SYSTEM = ("UserProperties", "PropertyValue"), ("SystemProperties", "SystemPropertyValue")


def parse_request(body: bytes, *roots: str) -> ET.Element:
    """Return the root of a request, without namespaces.

    Raises ServiceError if its name is not in `roots`, or its namespace is wrong.
    """
    try:
        element = xml.parse(body)
    except xml.InvalidXml as error:
        raise ServiceError(400, "MalformedXML", f"The XML you provided was not well-formed: {error}.") from error
    if element.tag not in {f"{namespace}{root}" for namespace in NAMESPACES for root in roots}:
        text = f'The root must be <{" or ".join(roots)} xmlns="{NAMESPACE}">, not {element.tag}.'
        raise ServiceError(400, "InvalidArgument", text)
    for node in element.iter():
        node.tag = node.tag.rpartition("}")[2]
    return element


def parse_integer(element: ET.Element, name: str) -> int | None:
    """Return the integer in the child with a name, or None if it is missing or empty. Raises InvalidArgument."""
    text = element.findtext(name, "").strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ServiceError(400, "InvalidArgument", f'{name} must be an integer, not "{text}".') from None


def format_document(name: str, content: Content) -> bytes:
    """Return a document. Omit empty elements of lists: SDKs cannot parse them.

    >>> format_document("Queue", [("QueueName", "a<b")]).decode().splitlines()[1]
    '<Queue xmlns="http://mns.aliyuncs.com/doc/v1"><QueueName>a&lt;b</QueueName></Queue>'
    """
    return xml.document(name, _format(content), namespace=NAMESPACE, encoding="utf-8")


def format_properties(properties: Properties) -> list[Node]:
    """Return the elements of a message's properties; empty if it has none."""
    kinds = ((USER, properties.user), (SYSTEM, properties.system))
    return [
        (outer, [(inner, [("Name", p.name), ("Value", p.value), ("Type", p.type)]) for p in given])
        for (outer, inner), given in kinds
        if given
    ]


def parse_properties(message: ET.Element) -> Properties:
    """Return the properties of a message element."""
    return Properties(*(tuple(map(_property, message.findall("/".join(names)))) for names in (USER, SYSTEM)))


def _property(element: ET.Element) -> Property:
    return Property(element.findtext("Name", ""), element.findtext("Value", ""), element.findtext("Type", "STRING"))


def _format(content: Content) -> str:
    if isinstance(content, str | int):
        return xml.escaped(content)
    return "".join(xml.element(name, _format(inner)) for name, inner in content)
