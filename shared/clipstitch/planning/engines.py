"""Choose what merges a job: the OSS action `audio/concat`, or the function `render`. Pure.

The action joins at most 11 objects in one request, and does what its parameters say. Everything else needs the
function: the fields and formats that `needs_render` names.
"""

from collections.abc import Iterator, Sequence

from clipstitch.common.audio_formats import MAX_SOURCES
from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.manifest.field_reader import json_pointer
from clipstitch.manifest.model import Clip, Join, Manifest

_NOT_DEPLOYED = "Remove it, or ask the operator to deploy the function `render` (CLIPSTITCH_RENDER_FUNCTION)."
_NOT_WANTED = "Remove it, or set `engine: render`."


def renders(
    manifest: Manifest, sources: int, engine: str, paths: Sequence[str] = (), *, is_deployed: bool = False
) -> bool:
    """Return True if the function `render` merges a manifest with that many sources, gaps included.

    `engine` is the operator's; that of the manifest overrides it. Raises `InvalidManifest` with every field that needs
    the function where it may not be used; `paths` are the JSON Pointers of the clips.
    """
    wanted = manifest.engine or engine
    needs = list(needs_render(manifest, paths))
    if not is_deployed and manifest.engine == "render":
        needs.append(("/engine", "is render"))
    may_render = is_deployed and wanted != "concat"
    if needs and not may_render:
        remedy = _NOT_WANTED if is_deployed else _NOT_DEPLOYED
        message = "{}, which needs the render engine"
        raise InvalidManifest([Issue(path, "ENGINE_NEEDED", message.format(what), remedy) for path, what in needs])
    return may_render and (bool(needs) or wanted == "render" or sources > MAX_SOURCES)


def needs_render(manifest: Manifest, paths: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the JSON Pointer of every field that the OSS action cannot do, and what it asks for."""
    if manifest.output.format.rendered:
        yield "/output/key", f"is {manifest.output.format.name}"
    if manifest.join != Join():
        yield "/join", "changes the joins"
    paths = paths or [json_pointer("clips", index) for index in range(len(manifest.clips))]
    for path, clip in zip(paths, manifest.clips, strict=True):
        if isinstance(clip, Clip):
            yield from (
                (path + json_pointer(name), f"is {value}")
                for name, value in (
                    ("gain", clip.gain_db),
                    ("fade_in", clip.fade_in_ms),
                    ("fade_out", clip.fade_out_ms),
                )
                if value
            )
