"""Object tags and their limits. Pure; uploads and PutObjectTagging use it.

Source: OSS user guide, "Object tagging", read 2026-11; the vendor's SDK tests check each of the limits.
"""

import re
from urllib.parse import parse_qsl, quote, urlencode

from localyun.errors import ServiceError

MAX_TAGS = 10
CHARACTERS = re.compile(r"[\w +\-=.:/]*")
KEY = re.compile(r"[\w +\-=.:/]{1,128}")
VALUE = re.compile(r"[\w +\-=.:/]{0,256}")

Tags = list[tuple[str, str]]


def parse_tags(header: str) -> Tags:
    """Return the tags of an `x-oss-tagging` header (`A=1&B=2`). Raises InvalidTag."""
    return checked_tags(parse_qsl(header, keep_blank_values=True))


def format_tags(tags: Tags) -> str:
    """Return tags in the format of `x-oss-tagging`."""
    return urlencode(tags, quote_via=quote)


def checked_tags(tags: Tags) -> Tags:
    """Return the tags. Raises InvalidTag if they exceed a limit."""
    if len(tags) > MAX_TAGS:
        raise _invalid(f"an object has at most {MAX_TAGS} tags, not {len(tags)}")
    for key, value in tags:
        if not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            rule = "keys have 1 to 128 letters, digits, spaces and + - = . _ : /; values up to 256"
            raise _invalid(f"{key!r}={value!r}: {rule}")
    if len(dict(tags)) < len(tags):
        raise _invalid("a key may appear once")
    return tags


def _invalid(why: str) -> ServiceError:
    return ServiceError(400, "InvalidTag", f"The tag you have provided is not valid: {why}.")
