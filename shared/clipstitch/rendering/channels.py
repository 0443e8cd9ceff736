"""Convert the channels of a clip to those of the output: one policy for every format. Pure.

A mono clip stays as loud as the same clip in both channels of a stereo file:

- mono to stereo: the same samples in both; stereo to mono: their mean;
- three or more channels to stereo: ITU-R BS.775, not attenuated; to mono: the mean of that;
- channels without a declared layout: channel i stays channel i; fewer are made of the mean of all;
- to three or more channels: by name, as FFmpeg's resampler does it.

Names that a layout lacks count as silence, so `NARROW` also suits a clip that changes between mono and stereo.
"""

import re

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
NARROW = {1: "pan=mono|FC=FC+0.5*FL+0.5*FR", 2: "pan=stereo|FL=FL+FC|FR=FR+FC"}
_NAMED = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "quad(side)": 4, "hexagonal": 6, "octagonal": 8}
_LEFT = {"FL": 1.0, "FLC": 1.0, "FC": 0.707107, "BL": 0.707107, "SL": 0.707107, "BC": 0.5}
_RIGHT = {"FR": 1.0, "FRC": 1.0, "FC": 0.707107, "BR": 0.707107, "SR": 0.707107, "BC": 0.5}


def channels_filter(layout: str, channels: int) -> str:
    """Return FFmpeg's filter from a layout to `channels` channels; "" if there is nothing to convert.

    >>> channels_filter("stereo", 1)
    'pan=mono|FC=FC+0.5*FL+0.5*FR'
    """
    have = count_channels(layout)
    if "channels" in layout or (have <= 2 and layout not in {"mono", "stereo"}):
        return _unnamed(have, channels)
    if channels > 2:
        return f"aresample=ochl={LAYOUTS[channels]}:osf=flt"
    return NARROW[channels] if have <= 2 else _downmix(channels)


def count_channels(layout: str) -> int:
    """Return the number of channels of a layout, named as in FFmpeg; 0 for an unknown name.

    >>> [count_channels(name) for name in ("mono", "5.1(side)", "7.1.2", "9 channels (FL+FR)")]
    [1, 6, 10, 9]
    """
    if layout in _NAMED:
        return _NAMED[layout]
    if match := re.match(r"(\d+) channels", layout):
        return int(match[1])
    match = re.match(r"\d+(?:\.\d+)*", layout)
    return sum(map(int, match[0].split("."))) if match else 0


def _unnamed(have: int, want: int) -> str:
    if have == want or not have:
        return ""
    mean = "+".join(f"{1 / have:.6f}*c{number}" for number in range(have))
    sources = [mean] * want if want <= 2 else [f"c{number}" for number in range(min(have, want))]
    return "|".join([f"pan={LAYOUTS[want]}", *(f"c{number}={source}" for number, source in enumerate(sources))])


def _downmix(channels: int) -> str:
    if channels == 2:
        return f"pan=stereo|FL={_sum(_LEFT)}|FR={_sum(_RIGHT)}"
    names = dict.fromkeys([*_LEFT, *_RIGHT])
    return f"pan=mono|FC={_sum({name: (_LEFT.get(name, 0) + _RIGHT.get(name, 0)) / 2 for name in names})}"


def _sum(gains: dict[str, float]) -> str:
    return "+".join(f"{gain:.6f}*{name}" for name, gain in gains.items())
