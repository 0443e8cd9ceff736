"""Keys that a name may mean: other spellings of it, and the most similar of the keys that there are. Pure.

Only for clips that do not exist; `clipstitch.usecases.probe_clips` lists the objects.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from posixpath import normpath, splitext
from urllib.parse import unquote_to_bytes

_ALIKE = 0.6  # difflib's own default; a name that is less similar would not help


def spellings(name: str, folder: str) -> list[str]:
    """Return the keys that a name in a playlist may mean, the likeliest first: as a key, then as a path below `folder`.

    Players write paths, some of them with percent-encoding.

    >>> spellings("a%20b.mp3", "manifests/shows")
    ['a%20b.mp3', 'a b.mp3', 'manifests/shows/a%20b.mp3', 'manifests/shows/a b.mp3']
    """
    forms = dict.fromkeys((name, _unquoted(name)))
    paths = dict.fromkeys([*forms, *(f"{folder}/{form}" for form in forms if folder)])
    return [*dict.fromkeys([*paths, *map(normpath, paths)])]


def folders_of(keys: Iterable[str]) -> list[str]:
    """Return the prefixes below which an object may be that one of the keys means, in both normal forms of Unicode."""
    prefixes = [key[: key.rfind("/") + 1] for key in keys]
    return [*dict.fromkeys(unicodedata.normalize(form, prefix) for prefix in prefixes for form in ("NFC", "NFD"))]


def same_key(wanted: Iterable[str], existing: Mapping[str, str]) -> str | None:
    """Return the first of the existing keys, by their normal form, equal to a wanted one; None if none is."""
    return next((existing[form] for key in wanted if (form := normal_form(key)) in existing), None)


def normal_form(key: str) -> str:
    """Return a key in the composed form of Unicode: an `é` is one character, not two as on a Mac."""
    return unicodedata.normalize("NFC", key)


def nearest_key(name: str, keys: Sequence[str]) -> str | None:
    """Return the existing key that is most similar to a name; None if none is.

    >>> nearest_key("Clips/A%20b.MP3", ["clips/ab.mp3", "clips/a b.mp3"]), nearest_key("intro.mp3", ["x.mp3"])
    ('clips/a b.mp3', None)
    """
    for form in (_loose, _file_name, _without_suffix, _stem):
        by_form = {form(key): key for key in reversed(keys)}
        if found := by_form.get(form(name)):
            return found
    import difflib  # noqa: PLC0415 - only invalid manifests need it

    for form in (_without_suffix, _stem):
        by_form = {form(key): key for key in reversed(keys)}
        if alike := difflib.get_close_matches(form(name), by_form, 1, _ALIKE):
            return by_form[alike[0]]
    return None


def nearest_text(name: str, nearest: str) -> str:
    """Return a sentence about the key that is most similar to a name.

    >>> nearest_text("é.mp3", "e\u0301.mp3")
    'The nearest key is `e\u0301.mp3`; it looks the same, but its letters are in the normal form NFD of Unicode.'
    """
    same = normal_form(name) == normal_form(nearest)
    form = "NFC" if normal_form(nearest) == nearest else "NFD"
    looks = f"; it looks the same, but its letters are in the normal form {form} of Unicode" if same else ""
    return f"The nearest key is `{nearest}`{looks}."


def _loose(key: str) -> str:
    """Return what is left of a key when spelling does not matter."""
    return unicodedata.normalize("NFKC", _unquoted(key)).replace("\\", "/").casefold()


def _file_name(key: str) -> str:
    return _loose(key).rpartition("/")[2]


def _without_suffix(key: str) -> str:
    return splitext(_loose(key))[0]


def _stem(key: str) -> str:
    return splitext(_file_name(key))[0]


def _unquoted(text: str) -> str:
    """Return text without percent-encoding; unchanged if that is not UTF-8."""
    try:
        return unquote_to_bytes(text).decode() if "%" in text else text
    except UnicodeDecodeError:
        return text
