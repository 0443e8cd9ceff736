"""The seven output formats: their limits, and the FFmpeg arguments that write them. Pure.

Limits: OSS user guide, "Audio merging", page dated 2026-03-20. Encoders: FFmpeg 7.0.2, each tried 2026-11.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localyun.imm.errors import invalid
from localyun.imm.task_spec import Encoding

SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
MAX_CHANNELS = 8
# Layouts that every encoder with that many channels accepts (libopus and libvorbis accept no others).
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True)
class OutputFormat:
    """An output format: FFmpeg's muxer, and the rates and channels that it allows."""

    name: str
    muxer: str
    content_type: str
    rates: tuple[int, ...] = SAMPLE_RATES
    max_channels: int = MAX_CHANNELS


FORMATS = {
    form.name: form
    for form in (
        OutputFormat("mp3", "mp3", "audio/mpeg", tuple(r for r in SAMPLE_RATES if r <= 48000), 2),
        OutputFormat("aac", "adts", "audio/aac"),
        OutputFormat("flac", "flac", "audio/flac"),
        OutputFormat("oga", "ogg", "audio/ogg"),
        OutputFormat("ac3", "ac3", "audio/ac3", (32000, 44100, 48000), 6),
        OutputFormat("opus", "opus", "audio/ogg", (8000, 12000, 16000, 24000, 48000)),
        OutputFormat("amr", "amr", "audio/amr", (8000, 16000), 1),
    )
}

# The bit rates per channel, in bit/s, that libvorbis accepts; tried rate by rate, 1 to 8 channels.
VORBIS_LIMITS = {
    8000: (8000, 42000),
    11025: (12000, 50000),
    12000: (12000, 50000),
    16000: (16000, 86000),
    22050: (16000, 86000),
    24000: (16000, 86000),
    32000: (32000, 190000),
    44100: (32000, 240000),
    48000: (32000, 240000),
}
AMR_NB_MODES = (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200)
AMR_WB_MODES = (6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850)


def check_encoding(encoding: Encoding) -> None:
    """Raise `ImmError` for a sample rate or channel count that the format does not allow; 0 means not known yet."""
    form = FORMATS[encoding.format]
    if encoding.sample_rate and encoding.sample_rate not in form.rates:
        legal = ", ".join(map(str, form.rates))
        raise invalid("ar", f"{encoding.sample_rate} Hz is not a sampling rate of {form.name}; use one of {legal}.")
    if encoding.channels > form.max_channels:
        raise invalid("ac", f"{form.name} has at most {form.max_channels} channel(s), not {encoding.channels}.")


def encoder_args(encoding: Encoding) -> list[str]:
    """Return FFmpeg's arguments from the codec to the muxer, for a complete encoding.

    A bit rate that the codec does not support becomes the nearest one that it supports.
    """
    return [*_CODEC_ARGS[encoding.format](encoding), "-f", FORMATS[encoding.format].muxer]


def _lossy(
    encoding: Encoding, codec: str, low: int, high: int, *, scale: tuple[float, float] | None = None
) -> list[str]:
    """Return the arguments of a codec with bit rates from `low` to `high` and, optionally, a quality scale."""
    args = ["-c:a", codec]
    if encoding.quality is not None and scale:
        return [*args, "-q:a", _scaled(encoding.quality, *scale)]
    if encoding.quality is not None:
        return [*args, "-b:a", str(int(float(_scaled(encoding.quality, low, high))))]
    return [*args, "-b:a", str(_clamp(encoding.bitrate, low, high))] if encoding.bitrate else args


def _vorbis(encoding: Encoding) -> list[str]:
    """Return the arguments of Vorbis, which supports no bit rates above 48 kHz: the nearest quality is used there."""
    if encoding.quality is not None or not encoding.bitrate:
        return _lossy(encoding, "libvorbis", 0, 0, scale=(-1, 10))
    per_channel = encoding.bitrate // encoding.channels
    if limits := VORBIS_LIMITS.get(encoding.sample_rate):
        return ["-c:a", "libvorbis", "-b:a", str(_clamp(per_channel, *limits) * encoding.channels)]
    return ["-c:a", "libvorbis", "-q:a", _scaled(_clamp((per_channel - 22_000) // 2300, 0, 100), -1, 10)]


def _amr(encoding: Encoding) -> list[str]:
    """Return the arguments of AMR: narrow band at 8 kHz, wide band at 16 kHz, each with fixed bit rates."""
    wide = encoding.sample_rate == 16000
    modes = AMR_WB_MODES if wide else AMR_NB_MODES
    mode = modes[-1]
    if encoding.quality is not None:
        mode = modes[encoding.quality * (len(modes) - 1) // 100]
    elif encoding.bitrate:
        mode = min(modes, key=lambda one: abs(one - encoding.bitrate))
    return ["-c:a", "libvo_amrwbenc" if wide else "libopencore_amrnb", "-b:a", str(mode)]


def _flac(encoding: Encoding) -> list[str]:
    """Return the arguments of FLAC, which is lossless: bit rate and quality have no effect."""
    depth = ("s32", "-bits_per_raw_sample", "24") if encoding.bits == 24 else ("s16",)
    return ["-c:a", "flac", "-sample_fmt", *depth]


def _scaled(quality: int, worst: float, best: float) -> str:
    """Map a quality of 0 to 100 to a codec's own scale."""
    return f"{worst + (best - worst) * quality / 100:.3f}"


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


_CODEC_ARGS: Mapping[str, Callable[[Encoding], list[str]]] = {
    "mp3": lambda encoding: _lossy(encoding, "libmp3lame", 8000, 320_000, scale=(9, 0)),  # LAME's V9 to V0
    "aac": lambda encoding: _lossy(encoding, "aac", 8000, 512_000 * encoding.channels, scale=(0.1, 2)),
    # AC-3 and Opus have no quality scale: a quality selects a bit rate.
    "ac3": lambda encoding: _lossy(encoding, "ac3", 32_000 * encoding.channels, 640_000),
    "opus": lambda encoding: _lossy(encoding, "libopus", 6000 * encoding.channels, 256_000 * encoding.channels),
    "flac": _flac,
    "oga": _vorbis,
    "amr": _amr,
}
