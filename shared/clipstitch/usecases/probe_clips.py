"""Probe the clips of a manifest; for those that do not exist, look for the objects that their names may mean.

A playlist has names as players write them, so a clip of it is the object that another spelling of its name names, if
there is one. For any other clip, the issue names the most similar key. Nothing is listed while all clips exist.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice, takewhile
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError, CloudRefused, ObjectNotFound
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import PAGE, Probe
from clipstitch.manifest.parse import is_playlist
from clipstitch.manifest.similar_keys import folders_of, nearest_key, normal_form, same_key, spellings
from clipstitch.usecases.context import Context

_MAX_FOLDERS = 20
_MAX_LISTED = 5 * PAGE  # of one folder: five requests
_MAX_HINTS, _MAX_COMPARED = 10, 2 * PAGE  # the comparison of each pair takes 20 us


class ProbedClips(NamedTuple):
    """The probes of clips, by their objects, and the keys of clips that are named by another spelling."""

    probes: Mapping[ObjectRef, Probe | ClipstitchError]
    renamed: Mapping[str, str]


def probe_clips(manifest: ManifestRef, names: Sequence[str], context: Context) -> ProbedClips:
    """Return the probes of clips, and what the names of missing ones mean. Raises `CloudBusy` if that is not known."""
    bucket = manifest.ref.bucket
    refs = {name: ObjectRef(bucket, name) for name in names}
    probes = dict(context.audio.probe([*refs.values()]))
    missing = [name for name, ref in refs.items() if isinstance(probes[ref], ObjectNotFound)]
    if not missing:
        return ProbedClips(probes, {})
    renamed: dict[str, str] = {}
    with suppress(CloudRefused):  # without the right to list there is nothing to find
        folder, is_list = manifest.ref.key.rpartition("/")[0], is_playlist(manifest.ref.key)
        meant = {name: spellings(name, folder if is_list else "") for name in missing}
        near = list(_listed(bucket, folders_of(chain.from_iterable(meant.values())), context))
        if is_list:
            existing = {normal_form(key): key for key in reversed(near)}
            renamed = {name: key for name in missing if (key := same_key(meant[name], existing))}
            probes |= context.audio.probe([ObjectRef(bucket, key) for key in dict.fromkeys(renamed.values())])
        unknown = [name for name in missing if name not in renamed][:_MAX_HINTS]
        for name, nearest in _nearest_keys(bucket, unknown, near, context).items():
            probes[refs[name]] = ObjectNotFound(str(probes[refs[name]]), nearest=nearest)
    return ProbedClips(probes, renamed)


def _nearest_keys(bucket: str, names: Sequence[str], near: Sequence[str], context: Context) -> dict[str, str]:
    """Return the most similar key for each name that has one: of those nearby, else of the bucket."""
    found = {name: nearest_key(name, near[:_MAX_COMPARED]) for name in names}
    if None in found.values():
        elsewhere = list(islice(_elsewhere(bucket, context), _MAX_COMPARED))
        found = {name: key or nearest_key(name, elsewhere) for name, key in found.items()}
    return {name: key for name, key in found.items() if key}


def _listed(bucket: str, prefixes: Sequence[str], context: Context) -> Iterator[str]:
    """Yield the keys below some folders that may be clips; below the root, those of `_elsewhere`."""
    limits = context.settings.limits
    for prefix in prefixes[:_MAX_FOLDERS]:
        if prefix:
            keys = (listed.key for listed in islice(context.objects.list(bucket, prefix), _MAX_LISTED))
            yield from (key for key in keys if key.startswith(limits.source_prefixes))
        else:
            yield from _elsewhere(bucket, context)


def _elsewhere(bucket: str, context: Context) -> Iterator[str]:
    """Yield keys of the whole bucket that may be clips; each listing ends where reserved keys begin."""
    limits = context.settings.limits
    for after in ("", *(prefix[:-1] + chr(ord(prefix[-1]) + 1) for prefix in sorted(limits.reserved))):
        listed = islice(context.objects.list(bucket, "", after), PAGE)
        keys = takewhile(lambda key: not key.startswith(limits.reserved), (entry.key for entry in listed))
        yield from (key for key in keys if key.startswith(limits.source_prefixes))
