"""The output formats and the limits of the OSS action. `manifest` and `planning` apply them.

Source of all limits: OSS user guide, "What is audio merging", page dated 2026-03-20.
"""

from typing import NamedTuple

SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
MAX_CHANNELS = 8
MIN_BITRATE, MAX_BITRATE = 1_000, 10_000_000  # bit/s
MAX_QUALITY = 100
BIT_DEPTHS = (16, 24)
MAX_SOURCES = 11  # the posted object and ten segments
ENGINES = ("auto", "concat", "render")
BITRATE_OPTIONS = ("fixed", "adaptive", "fail")  # abopt 0, 1, 2


class Format(NamedTuple):
    """An output format: sample rates in Hz, the maximum number of channels, and the content type of its objects.

    `rendered`: the OSS action does not have it, the render engine does.
    """

    name: str
    content_type: str
    sample_rates: tuple[int, ...] = SAMPLE_RATES
    max_channels: int = MAX_CHANNELS
    rendered: bool = False

    def nearest_rate(self, hertz: int) -> int:
        """Return the allowed sample rate in Hz that is nearest to `hertz`; of two equally near, the higher.

        >>> FORMATS["opus"].nearest_rate(44100)
        48000
        """
        return min(self.sample_rates, key=lambda rate: (abs(rate - hertz), -rate))

    def nearest_channels(self, count: int) -> int:
        """Return the allowed number of channels that is nearest to `count`."""
        return max(1, min(count, self.max_channels))


FORMATS = {
    spec.name: spec
    for spec in (
        Format("mp3", "audio/mpeg", tuple(rate for rate in SAMPLE_RATES if rate <= 48000), 2),
        Format("aac", "audio/aac"),
        Format("flac", "audio/flac"),
        Format("oga", "audio/ogg"),
        Format("ac3", "audio/ac3", (32000, 44100, 48000), 6),
        Format("opus", "audio/ogg", (8000, 12000, 16000, 24000, 48000)),
        Format("amr", "audio/amr", (8000, 16000), 1),
        Format("m4a", "audio/mp4", rendered=True),
        Format("m4b", "audio/mp4", rendered=True),
        Format("wav", "audio/wav", rendered=True),
    )
}
OSS_FORMATS = {name: spec for name, spec in FORMATS.items() if not spec.rendered}
