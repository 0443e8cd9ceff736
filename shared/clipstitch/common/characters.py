r"""Characters that some recipients of an event cannot carry.

XML 1.0, section 2.2, has no control characters and neither U+FFFE nor U+FFFF; messages of SMQ are XML. Strings of
CloudEvents 1.0 ("Type System") have no control characters up to U+009F and no noncharacters; those above U+FFFF, which
XML has, are left out here.
"""

import re

# For a class of a regular expression, in Python and in JSON Schema.
UNPRINTABLE = "\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff"
_UNPRINTABLE = re.compile(f"[{UNPRINTABLE}]")


def is_printable(text: str) -> bool:
    r"""Return True if a string has neither control characters nor noncharacters.

    >>> is_printable("night train 🎧"), is_printable("night\ntrain"), is_printable("night\uffff")
    (True, False, False)
    """
    return _UNPRINTABLE.search(text) is None


def escape_in_json(document: str) -> str:
    r"""Return a JSON document without line breaks in which these characters are escaped; its value is the same.

    >>> escape_in_json('["a\x7f\uffff"]')
    '["a\\u007f\\uffff"]'
    """
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
