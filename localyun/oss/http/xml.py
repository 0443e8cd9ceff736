"""XML of OSS: responses, and request documents. Knows elements, no actions."""

from datetime import datetime
from xml.etree import ElementTree as ET

from localyun import xml
from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.xml import document, element, leaf, leaves

__all__ = ["document", "element", "iso", "leaf", "leaves", "malformed", "owner", "parse", "xml_response"]

# Clients send control characters of keys unescaped; OSS parses them, XML 1.0 forbids them. Here they are moved to a
# private-use plane while the document is parsed.
TO_PRIVATE = {code: 0xF0000 + code for code in range(32) if chr(code) not in "\t\n\r"}
FROM_PRIVATE = {private: control for control, private in TO_PRIVATE.items()}
OWNER = "1000000000000001"


def xml_response(name: str, *content: str, **headers: str) -> HttpResponse:
    """Return a response with a document."""
    return HttpResponse(200, document(name, *content), {"Content-Type": "application/xml", **headers})


def owner() -> str:
    """Return the element of the owner of all buckets and objects."""
    return element("Owner", leaves(ID=OWNER, DisplayName=OWNER))


def iso(when: datetime) -> str:
    """Return a time in the format of OSS documents."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(body: bytes, root: str) -> ET.Element:
    """Return the root of a request document, without namespaces. Raises MalformedXML."""
    try:
        found = xml.parse(body.decode("utf-8", "replace").translate(TO_PRIVATE))
    except xml.InvalidXml as error:
        raise malformed(root, str(error)) from None
    for node in found.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.text = node.text and node.text.translate(FROM_PRIVATE)
    if found.tag != root:
        raise malformed(root, f"it is a <{found.tag}>")
    return found


def malformed(root: str, why: str) -> ServiceError:
    """Return the error MalformedXML with a reason."""
    text = f"The XML you provided was not well-formed or did not validate: expected <{root}>, but {why}."
    return ServiceError(400, "MalformedXML", text)
