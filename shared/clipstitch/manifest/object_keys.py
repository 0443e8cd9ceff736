"""The rules of OSS for object keys, and the keys of the objects beside an output."""

MAX_KEY_BYTES = 1023  # OSS, "Object naming conventions", 2026
_DOTS = (".", "..")  # OSS allows them; urllib3, below oss2, removes them from a URL (RFC 3986, 5.2.4)


def key_problem(key: str) -> str | None:
    r"""Return why a string is not an object key; None if it is one.

    >>> key_problem("/a"), key_problem("a")
    ('begins with /', None)
    """
    if not key:
        return "is empty"
    if key[0] in "/\\":
        return f"begins with {key[0]}"
    if key in _DOTS:
        return f"is {key!r}, which HTTP clients remove from a URL"
    size = len(key.encode())
    return f"has {size} bytes" if size > MAX_KEY_BYTES else None


def webvtt_key(output_key: str) -> str:
    """Return the key of the WebVTT file beside an output.

    >>> webvtt_key("episodes/ep42.mp3"), webvtt_key("podcast/latest")
    ('episodes/ep42.vtt', 'podcast/latest.vtt')
    """
    folder, slash, name = output_key.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}.vtt"
