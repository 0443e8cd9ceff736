"""The waveform of merged audio as an SVG file: a region for every clip, its name above, the seconds below."""

from xml.sax.saxutils import escape

from clipstitch_cli.display.decoded_audio import Sound
from clipstitch_cli.display.process_text import seconds
from clipstitch_cli.display.waveform import Region

WIDTH, HEIGHT = 1200, 300
LEFT, RIGHT, TOP, BOTTOM = 32, 32, 84, 44
BARS = 380  # bars of the waveform over the whole width
COLOURS = ("#0f9fb8", "#d98a00", "#2f9e55", "#a34ac9", "#3a6fe0", "#d64550")
STYLE = """
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24323f; }
  .title { font-size: 17px; font-weight: 600; }
  .fact { font-size: 13px; fill: #5b6b79; }
  .name { font-size: 13px; font-weight: 600; }
  .taken { font-size: 11px; fill: #5b6b79; }
  .axis { font-size: 11px; fill: #5b6b79; text-anchor: middle; }
"""


def svg(sound: Sound, regions: list[Region], title: str) -> str:
    """Draw the merged whole."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    facts = f"{len(regions)} clips, {seconds(sound.duration_s * 1000)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_quoted(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        f'<text class="title" x="{LEFT}" y="30">{escape(title)}</text>',
        f'<text class="fact" x="{WIDTH - RIGHT}" y="30" text-anchor="end">{facts}</text>',
        *(_region(region, number, sound.duration_s) for number, region in enumerate(regions)),
        *_bars(sound, regions),
        *(_boundary(region, sound.duration_s) for region in regions[1:]),
        *_axis(sound.duration_s),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(second: float, duration_s: float) -> float:
    """Place a second."""
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(second / (duration_s or 1), 1), 2)


def _colour(number: int) -> str:
    """Return a clip's colour."""
    return COLOURS[number % len(COLOURS)]


def _region(region: Region, number: int, duration_s: float) -> str:
    """Shade a clip's stretch; name it, as far as the name has room, and keep the whole name as a tooltip."""
    left, right = _x(region.starts_at_s, duration_s), _x(region.ends_at_s, duration_s)
    room = max(int((right - left - 8) / 7.6), 1)
    return (
        f"<g><title>{escape(region.name)}: {region.taken}, at {seconds(region.starts_at_s * 1000)}</title>"
        f'<rect x="{left}" y="{TOP - 36}" width="{right - left:.2f}" height="{HEIGHT - BOTTOM - TOP + 36}"'
        f' fill="{_colour(number)}" fill-opacity="0.09"/>'
        f'<text class="name" x="{left + 6}" y="{TOP - 19}" style="fill:{_colour(number)}">'
        f"{escape(_short(region.name, room))}</text>"
        f'<text class="taken" x="{left + 6}" y="{TOP - 4}">{escape(_short(region.taken, int(room * 1.3)))}</text></g>'
    )


def _short(text: str, room: int) -> str:
    """Cut a text to the room there is."""
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _bars(sound: Sound, regions: list[Region]) -> list[str]:
    """Draw the waveform, one path per clip's colour."""
    peaks = sound.peaks(BARS)
    loudest = max((max(-low, high) for low, high in peaks), default=0) or 1
    middle, half = TOP + (HEIGHT - TOP - BOTTOM) / 2, (HEIGHT - TOP - BOTTOM) / 2 - 6
    paths: dict[int, list[str]] = {}
    for at, (low, high) in enumerate(peaks):
        second = (at + 0.5) / BARS * sound.duration_s
        up, down = max(high / loudest * half, 0.6), max(-low / loudest * half, 0.6)
        path = paths.setdefault(_owner(second, regions), [])
        path.append(f"M{_x(second, sound.duration_s)} {middle - up:.1f}V{middle + down:.1f}")
    return [
        f'<path d="{"".join(path)}" stroke="{_colour(number)}" stroke-width="2" stroke-linecap="round" fill="none"/>'
        for number, path in paths.items()
    ]


def _owner(second: float, regions: list[Region]) -> int:
    """Return the clip that is heard at a second."""
    return max((number for number, region in enumerate(regions) if region.starts_at_s <= second), default=0)


def _boundary(region: Region, duration_s: float) -> str:
    """Mark where a clip begins."""
    x = _x(region.starts_at_s, duration_s)
    return f'<path d="M{x} {TOP - 36}V{HEIGHT - BOTTOM}" stroke="#24323f" stroke-width="1" stroke-dasharray="4 3"/>'


def _axis(duration_s: float) -> list[str]:
    """Draw the time axis."""
    y = HEIGHT - BOTTOM
    step = next(step for step in (1, 2, 5, 10, 30, 60, 300, 900, 3600, 36000) if duration_s / step <= 30)
    parts = [f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#9aa8b3"/>']
    for second in range(0, int(duration_s) + 1, step):
        x = _x(second, duration_s)
        parts.append(
            f'<path d="M{x} {y}v5" stroke="#9aa8b3"/><text class="axis" x="{x}" y="{y + 19}">{second} s</text>'
        )
    return parts


def _quoted(text: str) -> str:
    """Write a text as an attribute."""
    return escape(text, {'"': "&quot;"})
