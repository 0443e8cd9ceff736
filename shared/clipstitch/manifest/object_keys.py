"""Object keys as OSS takes them. Called wherever a manifest names an object."""

from clipstitch.manifest.field_reader import FieldReader

MAX_KEY_BYTES = 1023  # OSS, "Object naming conventions", 2026
_DOTS = (".", "..")  # OSS allows them; urllib3, below oss2, removes them from a URL (RFC 3986, 5.2.4)


def read_key(fields: FieldReader, name: str) -> str | None:
    """Return an object key that OSS would take."""
    key = fields.require(name, str)
    if key is None:
        return None
    if problem := key_problem(key):
        fields.issues.add(
            fields.at(name), "KEY_INVALID", problem, "Use 1 to 1023 bytes that begin with neither / nor \\."
        )
        return None
    return key


def key_problem(key: str) -> str | None:
    r"""Say what keeps a text from being an object key; None when nothing does.

    >>> key_problem("/a"), key_problem("a")
    ('begins with /', None)
    """
    if not key:
        return "is empty"
    if key[0] in "/\\":
        return f"begins with {key[0]}"
    if key in _DOTS:
        return f"is {key!r}, which HTTP clients take for a folder"
    size = len(key.encode())
    return f"has {size} bytes" if size > MAX_KEY_BYTES else None
