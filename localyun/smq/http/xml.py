"""The XML of MNS, both ways. Knows elements and the namespace, no actions; refuses documents with a DOCTYPE."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.smq.message_formats import NAMESPACE, xml_text
from localyun.smq.values import Properties, Property

Content: TypeAlias = "str | int | Sequence[Node]"
Node: TypeAlias = "tuple[str, Content]"

CONTENT_TYPE = "text/xml;charset=utf-8"
SPACES = (NAMESPACE, NAMESPACE.rstrip("/"))  # the vendor's own samples and Java SDK omit the last slash
USER, SYSTEM = ("UserProperties", "PropertyValue"), ("SystemProperties", "SystemPropertyValue")


class Element:
    """An element of a request: `children` by name, `text`."""

    def __init__(self, element: ET.Element) -> None:
        self._element = element
        self.name = element.tag.rpartition("}")[2]
        self.text = element.text or ""

    def children(self, name: str = "") -> list["Element"]:
        """Return the children, or those of a name, in order."""
        found = [Element(child) for child in self._element]
        return [child for child in found if not name or child.name == name]

    def texts(self) -> dict[str, str]:
        """Return the text of each child by name."""
        return {child.name: child.text for child in self.children()}

    def get(self, name: str, default: str = "") -> str:
        """Return the text of the child of that name."""
        return self.texts().get(name, default)

    def number(self, name: str) -> int | None:
        """Return the whole number in the child of that name, None without one."""
        text = self.get(name).strip()
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise ServiceError(400, "InvalidArgument", f'{name} must be a whole number, not "{text}".') from None


class _NoDoctype(ET.TreeBuilder):
    """Builds the tree, but of no document that could define entities."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse the declaration before anything in it takes effect."""
        del pubid, system
        raise ServiceError(400, "MalformedXML", f"The XML you provided has a DOCTYPE ({name}); send it without.")


def read(body: bytes, *roots: str) -> Element:
    """Return the root of a request, which must have one of these names and the vendor's namespace."""
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - entities need a DOCTYPE, refused above
    try:
        parser.feed(body)
        element = parser.close()
    except ET.ParseError as error:
        text = f"The XML you provided was not well-formed: {error}."
        raise ServiceError(400, "MalformedXML", text) from error
    if element.tag not in {f"{{{space}}}{root}" for space in SPACES for root in roots}:
        text = f'The root must be <{" or ".join(roots)} xmlns="{NAMESPACE}">, not {element.tag}.'
        raise ServiceError(400, "InvalidArgument", text)
    return Element(element)


def write(name: str, content: Content) -> bytes:
    """Return a document. SDKs cannot read empty elements in lists: leave them out.

    >>> write("Queue", [("QueueName", "a<b")]).decode().splitlines()[1]
    '<Queue xmlns="http://mns.aliyuncs.com/doc/v1/"><QueueName>a&lt;b</QueueName></Queue>'
    """
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<{name} xmlns="{NAMESPACE}">{_inner(content)}</{name}>'
    return text.encode()


def write_properties(properties: Properties) -> list[Node]:
    """Return the elements that carry a message's properties; none when it has none."""
    kinds = ((USER, properties.user), (SYSTEM, properties.system))
    return [
        (outer, [(inner, [("Name", p.name), ("Value", p.value), ("Type", p.type)]) for p in given])
        for (outer, inner), given in kinds
        if given
    ]


def read_properties(message: Element) -> Properties:
    """Return the properties that a message's elements carry."""
    user, system = (
        tuple(_properties(inner for outer_ in message.children(outer) for inner in outer_.children(name)))
        for outer, name in (USER, SYSTEM)
    )
    return Properties(user, system)


def _properties(elements: Iterable[Element]) -> Iterable[Property]:
    for element in elements:
        yield Property(element.get("Name"), element.get("Value"), element.get("Type", "STRING"))


def _inner(content: Content) -> str:
    if isinstance(content, str | int):
        return xml_text(content)
    return "".join(f"<{name}>{_inner(inner)}</{name}>" for name, inner in content)
