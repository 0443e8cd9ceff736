"""The `output` of a manifest, within the limits of its format and of the operator. Called by `parse`.

Source of the limits of formats: see `clipstitch.common.audio_formats`.
"""

from clipstitch.common.audio_formats import FORMATS, Format
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.field_reader import FieldReader
from clipstitch.manifest.model import Limits, Output

_ANY_FORMAT = Format("The action", "")
_UNCHANGED = ("bitrate", "quality", "bitrate_option", "bits_per_sample", "overwrite")


def read_output(fields: FieldReader, ref: ObjectRef, limits: Limits) -> Output | None:
    """Return the output of the manifest that was uploaded as `ref`; None if its key or format is not valid."""
    target, spec = _target(fields, ref, limits), _format(fields)
    rate, channels = _sample_rate(fields, spec or _ANY_FORMAT), _channels(fields, spec or _ANY_FORMAT)
    if fields.has("bits_per_sample") and spec and spec.name not in {"flac", "wav"}:
        remedy = "Remove it, or use format: flac or wav."
        fields.add("bits_per_sample", "FIELD_NEEDS", f"is for flac and wav, not {spec.name}", remedy)
    start_ms, duration_ms = fields.trim()
    if target is None or spec is None:
        return None
    rest = {name: fields.get(name) for name in _UNCHANGED}
    return Output(target, spec, rate, channels, **rest, start_ms=start_ms, duration_ms=duration_ms)


def _target(fields: FieldReader, ref: ObjectRef, limits: Limits) -> ObjectRef | None:
    key, bucket = fields.get("key"), fields.get("bucket")
    bucket = ref.bucket if bucket is None else bucket
    if issue := limits.against_bucket(bucket, ref.bucket):
        fields.issues.add(*issue)
    if key is None:
        return None
    if issue := limits.against_key(key):
        fields.issues.add(*issue)
    return ObjectRef(bucket, key)


def _format(fields: FieldReader) -> Format | None:
    """Return the format that `format` names, or else the extension of the key."""
    key = fields.get("key")
    if fields.has("format") or key is None:
        return FORMATS.get(fields.get("format"))
    extension = key.rpartition("/")[2].partition(".")[2].rpartition(".")[2].lower()
    if extension not in FORMATS:
        remedy = f"Use a key that ends in {', '.join('.' + name for name in FORMATS)}, or add `format`."
        fields.add("key", "FORMAT_UNKNOWN", "has an extension that names no format", remedy)
    return FORMATS.get(extension)


def _sample_rate(fields: FieldReader, spec: Format) -> int | None:
    rate: int | None = fields.get("sample_rate")
    if rate is None or rate in spec.sample_rates:
        return rate
    known = ", ".join(map(str, spec.sample_rates))
    remedy = f"{spec.name} takes {known} Hz; nearest is {spec.nearest_rate(rate)}."
    fields.add("sample_rate", "SAMPLE_RATE_NOT_ALLOWED", f"is {rate} Hz", remedy)
    return None


def _channels(fields: FieldReader, spec: Format) -> int | None:
    channels: int | None = fields.get("channels")
    if channels is None or 1 <= channels <= spec.max_channels:
        return channels
    takes = f"1 to {spec.max_channels} channels" if spec.max_channels > 1 else "1 channel"
    remedy = f"{spec.name} takes {takes}; nearest is {spec.nearest_channels(channels)}."
    fields.add("channels", "CHANNELS_NOT_ALLOWED", f"is {channels}", remedy)
    return None
