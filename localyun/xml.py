"""XML for all services: format documents, parse requests. Knows no service."""

import re
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

# XML 1.0 cannot represent these characters.
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class InvalidXml(ValueError):
    """A document that is not well-formed or has a DOCTYPE."""


def element(name: str, *content: str, namespace: str = "") -> str:
    """Return an element around formatted XML."""
    attribute = f' xmlns="{namespace}"' if namespace else ""
    return f"<{name}{attribute}>{''.join(content)}</{name}>"


def escaped(value: object) -> str:
    r"""Return a value as character data; a carriage return becomes a reference, an invalid character U+FFFD.

    >>> escaped("a<b\r\x00")
    'a&lt;b&#13;�'
    """
    return escape(_INVALID.sub("\ufffd", str(value)), {"\r": "&#13;"})


def leaf(name: str, value: object) -> str:
    """Return an element around a value; a bool is `true` or `false`."""
    return element(name, escaped(str(value).lower() if isinstance(value, bool) else value))


def leaves(**values: object) -> str:
    """Return an element for each value that is not None, in order."""
    return "".join(leaf(name, value) for name, value in values.items() if value is not None)


def document(name: str, *content: str, namespace: str = "", encoding: str = "UTF-8") -> bytes:
    """Return a document in UTF-8; `encoding` is how the declaration names it."""
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    return (declaration + element(name, *content, namespace=namespace)).encode()


def parse(document: bytes | str) -> ET.Element:
    """Return the root element. Raises InvalidXml."""
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - entities need a DOCTYPE, which raises
    try:
        parser.feed(document)
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        raise InvalidXml(str(error)) from None
    return root


class _NoDoctype(ET.TreeBuilder):
    """Builds a tree; raises before an entity can be defined."""

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise InvalidXml("it has a DOCTYPE")
