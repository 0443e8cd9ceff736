"""Encode a raw file in an output format.

Encoders: FFmpeg 7.0.2, each tried 2026-11. Output is a file, never a pipe: MP3, FLAC, WAV and MP4 have their lengths in
a head that is written last.
"""

from clipstitch.common.errors import RenderFailed
from clipstitch.planning.render_spec import OutputEncoding
from clipstitch.rendering.channels import LAYOUTS
from clipstitch.rendering.ffmpeg import FfmpegProgram

# The same samples give the same bytes on the same kind of processor: no versions, no times, no random numbers.
_REPRODUCIBLE = ("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
_AMR_NB = (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200)
_AMR_WB = (6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850)
# Bit/s per channel that libvorbis takes at each rate, for 1 to 8 channels.
_VORBIS = {
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
_MUXERS = {"aac": "adts", "oga": "ogg", "m4a": "ipod", "m4b": "ipod"}


def encode(ffmpeg: FfmpegProgram, raw: str, target: str, encoding: OutputEncoding, frames: range) -> None:
    """Encode frames of the raw file `raw` of FFmpeg's folder to the file `target` there. Raises RenderFailed."""
    layout, rate = LAYOUTS[encoding.channels], str(encoding.sample_rate)
    source = ["-f", "f32le", "-ar", rate, "-ch_layout", layout, "-i", f"file:{raw}"]
    cut = ["-af", f"atrim=start_sample={frames.start}:end_sample={frames.stop},asetpts=N/SR/TB"]
    size = (ffmpeg.folder / raw).stat().st_size
    run = ffmpeg.run([*source, *cut, *_REPRODUCIBLE, *encoder_args(encoding), target], size)
    if run.code:
        raise RenderFailed(f"{encoding.format} could not be encoded: {run.reason}")


def encoder_args(encoding: OutputEncoding) -> list[str]:
    """Return FFmpeg's arguments from the codec to the muxer. A bitrate becomes the nearest one that the codec takes."""
    name = encoding.format
    return [*_codec_args(encoding), "-f", _MUXERS.get(name, name)]


def _codec_args(encoding: OutputEncoding) -> list[str]:  # noqa: PLR0911 - one return for each codec
    channels = encoding.channels
    match encoding.format:
        case "mp3":
            return _lossy(encoding, "libmp3lame", 8000, 320_000, scale=(9, 0))  # LAME's V9 to V0
        case "aac":
            return _lossy(encoding, "aac", 8000, 512_000 * channels, scale=(0.1, 2))
        case "m4a" | "m4b":
            brand = ["-brand", "M4B "] if encoding.format == "m4b" else []
            moov_first = ["-movflags", "+faststart"]
            return [*_lossy(encoding, "aac", 8000, 512_000 * channels, scale=(0.1, 2)), *brand, *moov_first]
        case "ac3":
            return _lossy(encoding, "ac3", 32_000 * channels, 640_000)
        case "opus":
            return _lossy(encoding, "libopus", 6000 * channels, 256_000 * channels)
        case "oga":
            return _vorbis(encoding)
        case "amr":
            return _amr(encoding)
        case "wav":
            bits = encoding.bits_per_sample or 16
            return ["-c:a", f"pcm_s{bits}le", "-rf64", "auto"]
        case "flac":
            is_24 = encoding.bits_per_sample == 24
            return ["-c:a", "flac", "-sample_fmt", *(("s32", "-bits_per_raw_sample", "24") if is_24 else ("s16",))]
    raise RenderFailed(f"{encoding.format} is not a format that can be encoded")


def _lossy(
    encoding: OutputEncoding, codec: str, low: int, high: int, *, scale: tuple[float, float] | None = None
) -> list[str]:
    """Return the arguments of a codec with bitrates from `low` to `high` in bit/s and, optionally, a quality scale."""
    args = ["-c:a", codec]
    if encoding.quality is not None and scale:
        return [*args, "-q:a", _scaled(encoding.quality, *scale)]
    if encoding.quality is not None:
        return [*args, "-b:a", str(int(float(_scaled(encoding.quality, low, high))))]
    return [*args, "-b:a", str(_clamp(encoding.bitrate, low, high))] if encoding.bitrate else args


def _vorbis(encoding: OutputEncoding) -> list[str]:
    """Return the arguments of Vorbis, which takes no bitrates above 48 kHz: the nearest quality is used there."""
    if encoding.quality is not None or not encoding.bitrate:
        return _lossy(encoding, "libvorbis", 0, 0, scale=(-1, 10))
    per_channel = encoding.bitrate // encoding.channels
    if limits := _VORBIS.get(encoding.sample_rate):
        return ["-c:a", "libvorbis", "-b:a", str(_clamp(per_channel, *limits) * encoding.channels)]
    return ["-c:a", "libvorbis", "-q:a", _scaled(_clamp((per_channel - 22_000) // 2300, 0, 100), -1, 10)]


def _amr(encoding: OutputEncoding) -> list[str]:
    """Return the arguments of AMR: narrow band at 8 kHz, wide band at 16 kHz, each with fixed bitrates."""
    wide = encoding.sample_rate == 16000
    modes = _AMR_WB if wide else _AMR_NB
    mode = modes[-1]
    if encoding.quality is not None:
        mode = modes[encoding.quality * (len(modes) - 1) // 100]
    elif encoding.bitrate:
        wanted = encoding.bitrate
        mode = min(modes, key=lambda one: abs(one - wanted))
    return ["-c:a", "libvo_amrwbenc" if wide else "libopencore_amrnb", "-b:a", str(mode)]


def _scaled(quality: int, worst: float, best: float) -> str:
    """Map a quality of 0 to 100 to a codec's own scale."""
    return f"{worst + (best - worst) * quality / 100:.3f}"


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
