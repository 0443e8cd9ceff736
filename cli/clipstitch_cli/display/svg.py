"""The waveform of merged audio as an SVG file: one region per clip, its name above, the seconds below."""

from xml.sax.saxutils import escape, quoteattr

from clipstitch_cli.display.decoded_audio import ClipSpan, DecodedAudio
from clipstitch_cli.display.process_text import format_ms

WIDTH, HEIGHT = 1200, 300
LEFT, RIGHT, TOP, BOTTOM = 32, 32, 84, 44
BARS = 380  # bars of the waveform over the whole width
MAX_MARKS = 30
COLOURS = ("#0f9fb8", "#d98a00", "#2f9e55", "#a34ac9", "#3a6fe0", "#d64550")
STYLE = """
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24323f; }
  .title { font-size: 17px; font-weight: 600; }
  .fact { font-size: 13px; fill: #5b6b79; }
  .name { font-size: 13px; font-weight: 600; }
  .taken { font-size: 11px; fill: #5b6b79; }
  .axis { font-size: 11px; fill: #5b6b79; text-anchor: middle; }
"""


def svg(audio: DecodedAudio, spans: list[ClipSpan], title: str) -> str:
    """Return the waveform as an SVG document."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    facts = f"{len(spans)} clips, {format_ms(audio.duration_s * 1000)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(title)}>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        f'<text class="title" x="{LEFT}" y="30">{escape(title)}</text>',
        f'<text class="fact" x="{WIDTH - RIGHT}" y="30" text-anchor="end">{facts}</text>',
        *(_region(span, _colour(number), audio.duration_s) for number, span in enumerate(spans)),
        *_bars(audio, spans),
        *(_boundary(span, audio.duration_s) for span in spans[1:]),
        *_axis(audio),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(second: float, duration_s: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(second / (duration_s or 1), 1), 2)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _region(span: ClipSpan, colour: str, duration_s: float) -> str:
    """Return a clip's shaded region with its name, cut to fit; the tooltip has the whole name."""
    left, right = _x(span.starts_at_s, duration_s), _x(span.ends_at_s, duration_s)
    length = max(int((right - left - 8) / 7.6), 1)
    name, trim = (escape(_shortened(*text)) for text in ((span.name, length), (span.trim, int(length * 1.3))))
    return (
        f"<g><title>{escape(span.name)}: {span.trim}, at {format_ms(span.starts_at_s * 1000)}</title>"
        f'<rect x="{left}" y="{TOP - 36}" width="{right - left:.2f}" height="{HEIGHT - BOTTOM - TOP + 36}"'
        f' fill="{colour}" fill-opacity="0.09"/>'
        f'<text class="name" x="{left + 6}" y="{TOP - 19}" style="fill:{colour}">{name}</text>'
        f'<text class="taken" x="{left + 6}" y="{TOP - 4}">{trim}</text></g>'
    )


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def _bars(audio: DecodedAudio, spans: list[ClipSpan]) -> list[str]:
    """Return the waveform, one path per clip."""
    middle, half = TOP + (HEIGHT - TOP - BOTTOM) / 2, (HEIGHT - TOP - BOTTOM) / 2 - 6
    paths: dict[int, list[str]] = {}
    for at, (low, high) in enumerate(audio.normalized_peaks(BARS)):
        second = (at + 0.5) / BARS * audio.duration_s
        up, down = max(high * half, 0.6), max(-low * half, 0.6)
        clip = max((number for number, span in enumerate(spans) if span.starts_at_s <= second), default=0)
        path = f"M{_x(second, audio.duration_s)} {middle - up:.1f}V{middle + down:.1f}"
        paths.setdefault(clip, []).append(path)
    return [
        f'<path d="{"".join(path)}" stroke="{_colour(number)}" stroke-width="2" stroke-linecap="round" fill="none"/>'
        for number, path in paths.items()
    ]


def _boundary(span: ClipSpan, duration_s: float) -> str:
    x = _x(span.starts_at_s, duration_s)
    return f'<path d="M{x} {TOP - 36}V{HEIGHT - BOTTOM}" stroke="#24323f" stroke-width="1" stroke-dasharray="4 3"/>'


def _axis(audio: DecodedAudio) -> list[str]:
    y = HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#9aa8b3"/>']
    for second in audio.axis_seconds(MAX_MARKS):
        x = _x(second, audio.duration_s)
        label = f'<text class="axis" x="{x}" y="{y + 19}">{second} s</text>'
        parts.append(f'<path d="M{x} {y}v5" stroke="#9aa8b3"/>{label}')
    return parts
