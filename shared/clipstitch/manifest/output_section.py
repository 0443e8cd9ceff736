"""The `output` of a manifest: what is wanted, within the reference's limits. Called by `parsing`."""

from clipstitch.common.audio_formats import (
    BIT_DEPTHS,
    BITRATE_OPTIONS,
    FORMATS,
    MAX_BITRATE,
    MAX_CHANNELS,
    MAX_QUALITY,
    MIN_BITRATE,
    SAMPLE_RATES,
    Format,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.field_reader import FieldReader
from clipstitch.manifest.model import Limits, Output
from clipstitch.manifest.object_keys import read_key

FIELDS = (
    "key", "bucket", "format", "sample_rate", "channels", "bitrate", "quality", "bitrate_option", "bits_per_sample",
    "overwrite", "start", "duration", "end",
)  # fmt: skip


def read_output(fields: FieldReader, ref: ObjectRef, limits: Limits) -> Output | None:
    """Read what is wanted; None when key or format stay unknown."""
    fields.allow(FIELDS, {})
    key = read_key(fields, "key")
    spec = _format(fields, key)
    target = _target(fields, key, ref, limits)
    bitrate = fields.number("bitrate", MIN_BITRATE, MAX_BITRATE, "bit/s")
    quality = fields.number("quality", 0, MAX_QUALITY)
    option = fields.choice("bitrate_option", BITRATE_OPTIONS, "BITRATE_OPTION_UNKNOWN", None)
    _bitrate_rules(fields)
    bits = _bit_depth(fields, spec)
    rate, channels = _sample_rate(fields, spec), _channels(fields, spec)
    overwrite = bool(fields.take("overwrite", bool, default=False))
    start, duration = fields.trim()
    if target is None or spec is None:
        return None
    return Output(target, spec, rate, channels, bitrate, quality, option, bits, overwrite, start, duration)


def _target(fields: FieldReader, key: str | None, ref: ObjectRef, limits: Limits) -> ObjectRef | None:
    """Place the output where the operator allows it."""
    bucket = fields.take("bucket", str, ref.bucket) or ""
    if wrong := limits.against_bucket(bucket, ref.bucket):
        fields.issues.add(fields.at("bucket"), *wrong)
    if key is None:
        return None
    if wrong := limits.against_key(key):
        fields.issues.add(fields.at("key"), *wrong)
    return ObjectRef(bucket, key)


def _format(fields: FieldReader, key: str | None) -> Format | None:
    """Take the format from `format`, or else from the extension of the key."""
    if fields.has("format"):
        return FORMATS.get(fields.choice("format", tuple(FORMATS), "FORMAT_UNKNOWN", ""))
    if key is None:
        return None
    extension = key.rpartition("/")[2].partition(".")[2].rpartition(".")[2].lower()
    if extension not in FORMATS:
        remedy = f"End the key in one of {', '.join('.' + name for name in FORMATS)}, or add `format`."
        fields.issues.add(fields.at("key"), "FORMAT_UNKNOWN", "does not tell the format", remedy)
    return FORMATS.get(extension)


def _sample_rate(fields: FieldReader, spec: Format | None) -> int | None:
    """Return a sample rate that the format takes."""
    rate = fields.take("sample_rate", int)
    allowed = spec.sample_rates if spec else SAMPLE_RATES
    if rate is None or rate in allowed:
        return rate
    taker = spec or Format("The action", "")
    known = ", ".join(map(str, allowed))
    remedy = f"{taker.name} takes {known} Hz; nearest is {taker.nearest_rate(rate)}."
    fields.issues.add(fields.at("sample_rate"), "SAMPLE_RATE_NOT_ALLOWED", f"is {rate} Hz", remedy)
    return None


def _channels(fields: FieldReader, spec: Format | None) -> int | None:
    """Return a number of channels that the format takes."""
    channels = fields.take("channels", int)
    most = spec.max_channels if spec else MAX_CHANNELS
    if channels is None or 1 <= channels <= most:
        return channels
    taker = spec or Format("The action", "")
    takes = f"1 to {most} channels" if most > 1 else "1 channel"
    remedy = f"{taker.name} takes {takes}; nearest is {taker.nearest_channels(channels)}."
    fields.issues.add(fields.at("channels"), "CHANNELS_NOT_ALLOWED", f"is {channels}", remedy)
    return None


def _bitrate_rules(fields: FieldReader) -> None:
    """Apply the reference's two rules about ab, aq and abopt."""
    if fields.has("bitrate") and fields.has("quality"):
        remedy = "Keep `bitrate` or `quality`, not both."
        fields.issues.add(fields.at("quality"), "FIELDS_EXCLUSIVE", "excludes `bitrate`", remedy)
    if fields.has("bitrate_option") and not fields.has("bitrate"):
        remedy = "Add `bitrate`, or take `bitrate_option` out."
        fields.issues.add(fields.at("bitrate_option"), "FIELD_NEEDS", "needs `bitrate`", remedy)


def _bit_depth(fields: FieldReader, spec: Format | None) -> int | None:
    """Return the bit depth, which only FLAC has."""
    bits: int | None = fields.choice("bits_per_sample", BIT_DEPTHS, "BIT_DEPTH_NOT_ALLOWED", None)
    if fields.has("bits_per_sample") and spec and spec.name != "flac":
        remedy = "Take it out, or use format: flac."
        fields.issues.add(fields.at("bits_per_sample"), "FIELD_NEEDS", f"is for flac, not {spec.name}", remedy)
    return bits
