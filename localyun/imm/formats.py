"""The seven output formats: their limits, and the FFmpeg arguments that write them. Pure; grammar and join ask.

Limits: OSS user guide, "Audio merging", page dated 2026-03-20. Encoders: FFmpeg 7.0.2, tried one by one 2026-11.
"""

from dataclasses import dataclass

from localyun.imm.errors import invalid
from localyun.imm.work import Encoding

SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
MAX_CHANNELS = 8
# Layouts that every encoder with that many channels takes (libopus and libvorbis know no others).
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True)
class Format:
    """An output format. `sample_format` is what its encoder takes, so that one resampler does everything."""

    name: str
    muxer: str
    content_type: str
    sample_format: str
    rates: tuple[int, ...] = SAMPLE_RATES
    max_channels: int = MAX_CHANNELS


FORMATS = {
    form.name: form
    for form in (
        Format("mp3", "mp3", "audio/mpeg", "fltp", tuple(r for r in SAMPLE_RATES if r <= 48000), 2),
        Format("aac", "adts", "audio/aac", "fltp"),
        Format("flac", "flac", "audio/flac", "s16"),
        Format("oga", "ogg", "audio/ogg", "fltp"),
        Format("ac3", "ac3", "audio/ac3", "fltp", (32000, 44100, 48000), 6),
        Format("opus", "opus", "audio/ogg", "flt", (8000, 12000, 16000, 24000, 48000)),
        Format("amr", "amr", "audio/amr", "s16", (8000, 16000), 1),
    )
}

# libvorbis manages a bit rate only between these bit/s for each channel; tried rate by rate, 1 to 8 channels.
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
MP3_MAX, AMR_NB_MODES = 320_000, (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200)
AMR_WB_MODES = (6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850)


def check_encoding(encoding: Encoding) -> None:
    """Refuse a rate or channel count that the format cannot have; 0 means not known yet."""
    form = FORMATS[encoding.format]
    if encoding.sample_rate and encoding.sample_rate not in form.rates:
        legal = ", ".join(map(str, form.rates))
        raise invalid("ar", f"{encoding.sample_rate} Hz is not a sampling rate of {form.name}; use one of {legal}.")
    if encoding.channels > form.max_channels:
        text = f"{form.name} has at most {form.max_channels} channel(s), not {encoding.channels}."
        raise invalid("ac", text)


def sample_format(encoding: Encoding) -> str:
    """Name the FFmpeg sample format that the encoder is fed."""
    return "s32" if encoding.format == "flac" and encoding.bits == 24 else FORMATS[encoding.format].sample_format


def encoder_args(encoding: Encoding) -> list[str]:
    """Return FFmpeg's arguments from the codec to the muxer, for a complete encoding."""
    return [*_ENCODERS[encoding.format](encoding), "-f", FORMATS[encoding.format].muxer]


def _scaled(quality: int, worst: float, best: float) -> str:
    """Put a quality of 0 to 100 on a codec's own scale."""
    return f"{worst + (best - worst) * quality / 100:.3f}"


def _step(quality: int, steps: tuple[int, ...]) -> int:
    """Choose one of a codec's bit rates by a quality of 0 to 100."""
    return steps[quality * (len(steps) - 1) // 100]


def _between(value: int, low: int, high: int) -> int:
    """Move a bit rate to the nearest one that the encoder can do."""
    return min(max(value, low), high)


def _rate(bitrate: int) -> list[str]:
    """Spell a bit rate."""
    return ["-b:a", str(bitrate)]


def _mp3(encoding: Encoding) -> list[str]:
    """LAME: quality 0..100 is V9..V0; other bit rates than MP3's own become the nearest."""
    args = ["-c:a", "libmp3lame"]
    if encoding.quality is not None:
        return [*args, "-q:a", _scaled(encoding.quality, 9, 0)]
    return args + (_rate(_between(encoding.bitrate, 8000, MP3_MAX)) if encoding.bitrate else [])


def _aac(encoding: Encoding) -> list[str]:
    """FFmpeg's AAC-LC: quality 0..100 is its own 0.1..2; a bit rate that is too high is lowered by the encoder."""
    args = ["-c:a", "aac"]
    if encoding.quality is not None:
        return [*args, "-q:a", _scaled(encoding.quality, 0.1, 2)]
    return args + (_rate(_between(encoding.bitrate, 8000, 512_000 * encoding.channels)) if encoding.bitrate else [])


def _flac(encoding: Encoding) -> list[str]:
    """FLAC is lossless: bit rate and quality change nothing, the depth does."""
    depth = ["-sample_fmt", "s32", "-bits_per_raw_sample", "24"] if encoding.bits == 24 else ["-sample_fmt", "s16"]
    return ["-c:a", "flac", *depth]


def _oga(encoding: Encoding) -> list[str]:
    """Vorbis: quality 0..100 is -1..10; above 48 kHz it manages no bit rate, so the quality nearest to it is used."""
    args = ["-c:a", "libvorbis"]
    if encoding.quality is not None:
        return [*args, "-q:a", _scaled(encoding.quality, -1, 10)]
    if not encoding.bitrate:
        return args
    each = encoding.bitrate // encoding.channels
    if encoding.sample_rate not in VORBIS_LIMITS:
        return [*args, "-q:a", _scaled(_between((each - 22_000) // 2300, 0, 100), -1, 10)]
    low, high = VORBIS_LIMITS[encoding.sample_rate]
    return args + _rate(_between(each, low, high) * encoding.channels)


def _ac3(encoding: Encoding) -> list[str]:
    """AC-3: needs some 32 kbit/s for each channel and ends at 640; quality 0..100 spans that range."""
    low = 32_000 * encoding.channels
    if encoding.quality is not None:
        return ["-c:a", "ac3", *_rate(int(float(_scaled(encoding.quality, low, 640_000))))]
    return ["-c:a", "ac3", *(_rate(_between(encoding.bitrate, low, 640_000)) if encoding.bitrate else [])]


def _opus(encoding: Encoding) -> list[str]:
    """Opus has no quality scale: 0..100 is 6..256 kbit/s for each channel."""
    low, high = 6000 * encoding.channels, 256_000 * encoding.channels
    if encoding.quality is not None:
        return ["-c:a", "libopus", *_rate(int(float(_scaled(encoding.quality, low, high))))]
    return ["-c:a", "libopus", *(_rate(_between(encoding.bitrate, low, high)) if encoding.bitrate else [])]


def _amr(encoding: Encoding) -> list[str]:
    """AMR: narrow band at 8 kHz, wide band at 16 kHz, each with its fixed modes; the nearest mode is used."""
    wide = encoding.sample_rate == 16000
    modes = AMR_WB_MODES if wide else AMR_NB_MODES
    mode = modes[-1]
    if encoding.quality is not None:
        mode = _step(encoding.quality, modes)
    elif encoding.bitrate:
        mode = min(modes, key=lambda one: abs(one - encoding.bitrate))
    return ["-c:a", "libvo_amrwbenc" if wide else "libopencore_amrnb", *_rate(mode)]


_ENCODERS = {
    "mp3": _mp3,
    "aac": _aac,
    "flac": _flac,
    "oga": _oga,
    "ac3": _ac3,
    "opus": _opus,
    "amr": _amr,
}
