"""The tags of objects, as OSS allows them. Pure; every upload and PutObjectTagging read them through here.

Source: OSS user guide, "Object tagging", read 2026-11; the vendor's SDK tests try each of the limits.
"""

import re
from urllib.parse import parse_qsl, quote, urlencode

from localyun.errors import ServiceError

MAX_TAGS = 10
KEY = re.compile(r"[\w +\-=.:/]{1,128}")
VALUE = re.compile(r"[\w +\-=.:/]{0,256}")

Tags = list[tuple[str, str]]


def read_tags(header: str) -> Tags:
    """Return the tags that `x-oss-tagging` spells (`A=1&B=2`), or refuse them."""
    return checked_tags(parse_qsl(header, keep_blank_values=True))


def write_tags(tags: Tags) -> str:
    """Spell tags as `x-oss-tagging` does."""
    return urlencode(tags, quote_via=quote)


def checked_tags(tags: Tags) -> Tags:
    """Return tags that are within the limits, or refuse them."""
    if len(tags) > MAX_TAGS:
        raise _invalid(f"an object has at most {MAX_TAGS} tags, not {len(tags)}")
    for key, value in tags:
        if not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            raise _invalid(
                f"{key!r}={value!r}: keys have 1 to 128 letters, digits, blanks and + - = . _ : /; values 256"
            )
    if len(dict(tags)) < len(tags):
        raise _invalid("a key may appear once")
    return tags


def _invalid(why: str) -> ServiceError:
    return ServiceError(400, "InvalidTag", f"The tag you have provided is not valid: {why}.")
