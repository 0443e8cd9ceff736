"""XML of MNS: responses, and request documents. Knows elements and the namespace, no actions."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

from localyun import xml
from localyun.errors import ServiceError
from localyun.smq.message_formats import NAMESPACE, namespaced
from localyun.smq.values import Properties, Property

Content: TypeAlias = "str | int | Sequence[Node]"
Node: TypeAlias = "tuple[str, Content]"

CONTENT_TYPE = "text/xml;charset=utf-8"
NAMESPACES = (NAMESPACE, NAMESPACE.rstrip("/"))  # the vendor's own samples and Java SDK omit the last slash
USER, SYSTEM = ("UserProperties", "PropertyValue"), ("SystemProperties", "SystemPropertyValue")


class Element:
    """An element of a request."""

    def __init__(self, element: ET.Element) -> None:
        self._element = element
        self.name = element.tag.rpartition("}")[2]
        self.text = element.text or ""

    def children(self, name: str = "") -> list["Element"]:
        """Return the children, or those with a name, in order."""
        found = [Element(child) for child in self._element]
        return [child for child in found if not name or child.name == name]

    def texts(self) -> dict[str, str]:
        """Return the text of each child by name."""
        return {child.name: child.text for child in self.children()}

    def get(self, name: str, default: str = "") -> str:
        """Return the text of the child with a name, or the default."""
        return self.texts().get(name, default)

    def number(self, name: str) -> int | None:
        """Return the integer in the child with a name, or None if it is missing or empty. Raises InvalidArgument."""
        text = self.get(name).strip()
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise ServiceError(400, "InvalidArgument", f'{name} must be an integer, not "{text}".') from None


def parse_request(body: bytes, *roots: str) -> Element:
    """Return the root of a request. Raises ServiceError if its name is not in `roots`, or its namespace is wrong."""
    try:
        element = xml.parse(body)
    except xml.InvalidXml as error:
        raise ServiceError(400, "MalformedXML", f"The XML you provided was not well-formed: {error}.") from error
    if element.tag not in {f"{{{namespace}}}{root}" for namespace in NAMESPACES for root in roots}:
        text = f'The root must be <{" or ".join(roots)} xmlns="{NAMESPACE}">, not {element.tag}.'
        raise ServiceError(400, "InvalidArgument", text)
    return Element(element)


def format_document(name: str, content: Content) -> bytes:
    """Return a document. Omit empty elements of lists: SDKs cannot parse them.

    >>> format_document("Queue", [("QueueName", "a<b")]).decode().splitlines()[1]
    '<Queue xmlns="http://mns.aliyuncs.com/doc/v1/"><QueueName>a&lt;b</QueueName></Queue>'
    """
    return namespaced(name, _format(content))


def format_properties(properties: Properties) -> list[Node]:
    """Return the elements of a message's properties; empty if it has none."""
    kinds = ((USER, properties.user), (SYSTEM, properties.system))
    return [
        (outer, [(inner, [("Name", p.name), ("Value", p.value), ("Type", p.type)]) for p in given])
        for (outer, inner), given in kinds
        if given
    ]


def parse_properties(message: Element) -> Properties:
    """Return the properties of a message element."""
    user, system = (
        tuple(_properties(inner for outer_ in message.children(outer) for inner in outer_.children(name)))
        for outer, name in (USER, SYSTEM)
    )
    return Properties(user, system)


def _properties(elements: Iterable[Element]) -> Iterable[Property]:
    for element in elements:
        yield Property(element.get("Name"), element.get("Value"), element.get("Type", "STRING"))


def _format(content: Content) -> str:
    if isinstance(content, str | int):
        return xml.escaped(content)
    return "".join(xml.element(name, _format(inner)) for name, inner in content)
