"""Converts a clip to the rate and the channels of the output: one policy for every encoder. Pure.

Everything is computed in floating point, and a clip is as loud in one output format as in another. The vendor
documents no policy; this one keeps a mono clip as loud as the same clip in both channels of a stereo file:

- mono to stereo: the same samples in both channels; stereo to mono: the mean of both;
- three or more channels to stereo: ITU-R BS.775, not attenuated; to mono: the mean of that;
- channels without a declared layout have no meaning, so channel i stays channel i, and fewer are made of their mean;
- to three or more channels: by name, as FFmpeg's resampler does it.

Names that a layout lacks count as silence, so the first rule also suits a clip that changes between mono and stereo.
"""

from localyun.imm.ffmpeg import AudioStream
from localyun.imm.output_formats import LAYOUTS

UNNAMED = "channels"  # how FFmpeg calls a layout that is not declared: "4 channels"
NARROW = {1: "pan=mono|FC=FC+0.5*FL+0.5*FR", 2: "pan=stereo|FL=FL+FC|FR=FR+FC"}
# How much of each channel is in the left one and in the right one.
LEFT = {"FL": 1.0, "FLC": 1.0, "FC": 0.707107, "BL": 0.707107, "SL": 0.707107, "BC": 0.5}
RIGHT = {"FR": 1.0, "FRC": 1.0, "FC": 0.707107, "BR": 0.707107, "SR": 0.707107, "BC": 0.5}


def conversion(stream: AudioStream, rate: int, channels: int) -> str:
    """Return FFmpeg's filters that convert a clip to `rate` Hz, `channels` channels and floating-point samples."""
    resampler = f"aresample=osr={rate}:osf=flt"
    unnamed = UNNAMED in stream.layout or (stream.channels <= 2 and stream.layout not in ("mono", "stereo"))
    if unnamed:
        mixed = _unnamed(stream.channels, channels)
        return f"{resampler},{mixed}" if mixed else resampler
    if channels > 2:
        return f"{resampler}:ochl={LAYOUTS[channels]}"
    return f"{resampler},{NARROW[channels] if stream.channels <= 2 else _downmix(channels)}"


def _unnamed(have: int, want: int) -> str:
    """Keep each channel in its place; make one or two channels of more by their mean, two of one by a copy."""
    if have == want:
        return ""
    layout = LAYOUTS[want]
    if want <= 2:
        mean = "+".join(f"{1 / have:.6f}*c{number}" for number in range(have))
        return "|".join([f"pan={layout}", *(f"c{number}={mean}" for number in range(want))])
    return "|".join([f"pan={layout}", *(f"c{number}=c{number}" for number in range(min(have, want)))])


def _downmix(channels: int) -> str:
    """Mix three or more channels by their names."""
    if channels == 2:
        return f"pan=stereo|FL={_sum(LEFT)}|FR={_sum(RIGHT)}"
    names = dict.fromkeys([*LEFT, *RIGHT])
    return f"pan=mono|FC={_sum({name: (LEFT.get(name, 0) + RIGHT.get(name, 0)) / 2 for name in names})}"


def _sum(gains: dict[str, float]) -> str:
    return "+".join(f"{gain:.6f}*{name}" for name, gain in gains.items())
