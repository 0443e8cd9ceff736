"""OSS's XML, out and in. Knows elements, no actions."""

import re
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from localyun.errors import ServiceError
from localyun.http import HttpResponse

# XML 1.0 has no way to write these; a key that holds one can only be listed with encoding-type=url.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Clients write control characters of keys as they are, which the vendor reads and XML 1.0 forbids.
TAMED = {code: 0xF0000 + code for code in range(32) if chr(code) not in "\t\n\r"}
WILD = {tame: wild for wild, tame in TAMED.items()}
OWNER = "1000000000000001"


def element(name: str, *inside: str) -> str:
    """Return an element around finished XML."""
    return f"<{name}>{''.join(inside)}</{name}>"


def leaf(name: str, value: object) -> str:
    """Return an element around a value; a bool is spelled as OSS does."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return element(name, escape(NOT_XML.sub("\ufffd", text), {"\r": "&#13;"}))


def document(name: str, *inside: str) -> bytes:
    """Return a whole document."""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + element(name, *inside)).encode()


def xml_reply(name: str, *inside: str, **headers: str) -> HttpResponse:
    """Return a document as a reply; further headers by their names with `_` for `-`."""
    more = {header.replace("_", "-"): value for header, value in headers.items() if value}
    return HttpResponse(200, document(name, *inside), {"Content-Type": "application/xml", **more})


def encoder(encoding: str) -> "_Encoder":
    """Return a leaf writer that percent-encodes names when the request asks for `encoding-type=url`."""
    if encoding not in {"", "url"}:
        text = f"The encoding-type must be url, not {encoding!r}."
        raise ServiceError(400, "InvalidArgument", text, ArgumentName="encoding-type", ArgumentValue=encoding)
    return _Encoder(bool(encoding))


class _Encoder:
    def __init__(self, url: bool) -> None:
        self._url = url
        self.mark = leaf("EncodingType", "url") if url else ""

    def __call__(self, name: str, value: str) -> str:
        return leaf(name, quote(value, safe="") if self._url else value)


def owner() -> str:
    """Return the owner of everything here."""
    return element("Owner", leaf("ID", OWNER), leaf("DisplayName", OWNER))


def iso(when: datetime) -> str:
    """Return a time as OSS writes it in XML."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(body: bytes, root: str) -> ET.Element:
    """Read a request's document, without its namespace, or refuse with MalformedXML."""
    if b"<!DOCTYPE" in body:
        raise malformed(root, "it has a DOCTYPE")
    text = body.decode("utf-8", "replace")
    try:
        found = ET.fromstring(text.translate(TAMED))  # noqa: S314 - no DOCTYPE, so no entities
    except ET.ParseError as error:
        raise malformed(root, str(error)) from None
    for node in found.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.text = node.text and node.text.translate(WILD)
    if found.tag != root:
        raise malformed(root, f"it is a <{found.tag}>")
    return found


def malformed(root: str, why: str) -> ServiceError:
    """Say what is wrong with a request's document."""
    text = f"The XML you provided was not well-formed or did not validate: expected <{root}>, but {why}."
    return ServiceError(400, "MalformedXML", text)
