"""XML of OSS: responses, and request documents. Knows elements, no actions."""

import re
from datetime import datetime
from xml.etree import ElementTree as ET

from localyun import xml
from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.xml import document, element, leaf, leaves

__all__ = ["document", "element", "iso", "leaf", "leaves", "malformed", "owner", "parse", "printable", "xml_response"]

# Clients send control characters of keys unescaped, or as references; OSS accepts them, XML 1.0 forbids them. Here they
# are moved to a private-use plane while a document is parsed or formatted, and sent as references.
TO_PRIVATE = {code: 0xF0000 + code for code in range(32) if chr(code) not in "\t\n\r"}
FROM_PRIVATE = {private: control for control, private in TO_PRIVATE.items()} | {0xF000D: 0xD}
_TO_REFERENCE = {private: f"&#{control};" for private, control in FROM_PRIVATE.items()}
_REFERENCE = re.compile(r"&#(x[0-9A-Fa-f]+|[0-9]+);")
_TEXT = re.compile(r">[^<]*[^<\s][^<]*<")  # a parser takes a carriage return in text for a line break
OWNER = "1000000000000001"


def xml_response(name: str, *content: str, **headers: str) -> HttpResponse:
    """Return a response with a document."""
    body = document(name, *content).decode().translate(_TO_REFERENCE).encode()
    return HttpResponse(200, body, {"Content-Type": "application/xml", **headers})


def printable(key: str) -> str:
    """Return a key whose control characters become references in a response."""
    return key.translate(TO_PRIVATE)


def owner() -> str:
    """Return the element of the owner of all buckets and objects."""
    return element("Owner", leaves(ID=OWNER, DisplayName=OWNER))


def iso(when: datetime) -> str:
    """Return a time in the format of OSS documents."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(body: bytes, root: str) -> ET.Element:
    """Return the root of a request document, without namespaces; "" is any. Raises MalformedXML.

    OSS accepts white space before the declaration (Go SDK 3.0.2, read 2026-12).
    """
    try:
        found = xml.parse(_without_controls(body.decode("utf-8", "replace").lstrip()))
    except xml.InvalidXml as error:
        raise malformed(root, str(error)) from None
    for node in found.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.text = node.text and node.text.translate(FROM_PRIVATE)
    if root and found.tag != root:
        raise malformed(root, f"it is a <{found.tag}>")
    return found


def _without_controls(document: str) -> str:
    """Move control characters, and references to them, to the private-use plane."""
    moved = _REFERENCE.sub(_moved_reference, document).translate(TO_PRIVATE)
    return _TEXT.sub(lambda text: text[0].replace("\r", "\U000f000d"), moved)


def _moved_reference(reference: re.Match[str]) -> str:
    code = int(f"0{reference[1]}", 16) if reference[1].startswith("x") else int(reference[1])
    return chr(TO_PRIVATE[code]) if code in TO_PRIVATE else reference[0]


def malformed(root: str, why: str) -> ServiceError:
    """Return the error MalformedXML with a reason."""
    text = f"The XML you provided was not well-formed or did not validate: expected <{root}>, but {why}."
    return ServiceError(400, "MalformedXML", text)
