"""Charts as SVG: they fit any width, need no script, and obey the strictest policies. Pure.

Places along the width are percentages and those along the height pixels, so that text keeps its
size on a phone. Colours are in the style sheet, by class, for light and for dark; each series has
a pattern besides. A chart is one image with a title and a description to a screen reader: whoever
shows it puts a table of the same numbers behind it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

PLOT, TOP, FOOT = 140, 18, 22
"""Pixels: of the plot, above it and below it."""
GUTTER = 9.0
"""Percent on the left, for the scale."""
STRIP = 40
"""Pixels for one strip with its label."""
MOST_LABELS = 6

_PAPER = '<rect class="cf-paper" width="6" height="6"/>'
PATTERNS = (
    '<rect class="cf-ink" width="6" height="6"/>',
    _PAPER + '<path class="cf-line" d="M-1 1l2-2M0 6l6-6M5 7l2-2"/>',
    _PAPER + '<circle class="cf-ink" cx="3" cy="3" r="1.6"/>',
    _PAPER + '<path class="cf-line" d="M0 3h6"/>',
)
"""Solid, hatched, dotted, striped."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time. ``tone`` is its colour: 0 warns, 1 is plain, 2 and 3 are grey."""

    name: str
    values: Sequence[int]
    tone: int = 0


def columns(
    key: str,
    title: str,
    description: str,
    labels: Sequence[str],
    ticks: Sequence[str],
    series: Sequence[Series],
) -> str:
    """Return stacked columns, one for each of ``labels``. ``key`` is unique in its page.

    ``ticks`` are the same labels for the axis, which has room for some of them only.
    """
    totals = [sum(each.values[i] for each in series) for i in range(len(labels))]
    top = ceiling(max(totals, default=0))
    width = (100 - GUTTER) / max(len(labels), 1)
    parts = [_scale(top)]
    for index, label in enumerate(labels):
        x, base = GUTTER + index * width, float(TOP + PLOT)
        for number, each in enumerate(series):
            height = each.values[index] / top * PLOT
            if not height:
                continue
            base -= height
            tip = f"{label}: {each.values[index]} {each.name}".rstrip()
            parts.append(
                f'<rect class="cf-s{each.tone}" x="{x + width * 0.1:.2f}%" y="{base:.1f}" '
                f'width="{width * 0.8:.2f}%" height="{height:.1f}" '
                f'fill="url(#{key}-{number})"><title>{escape(tip)}</title></rect>'
            )
    parts += _ticks(ticks, width)
    body = _patterns(key, [each.tone for each in series]) + "".join(parts)
    return _image(key, title, description, TOP + PLOT + FOOT, body)


def strips(
    key: str,
    title: str,
    description: str,
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    ends: tuple[str, str],
) -> str:
    """Return a strip for each line: its name, and the parts (from, to; 0 to 1) that are marked."""
    parts = []
    for number, (name, marked) in enumerate(lines):
        y = number * STRIP
        parts.append(f'<text x="0" y="{y + 14}">{escape(name)}</text>')
        parts.append(f'<rect class="cf-track" x="0" y="{y + 20}" width="100%" height="14"/>')
        for start, end in marked:
            # What was short must be seen, too.
            extent = max(end - start, 0.004)
            parts.append(
                f'<rect class="cf-s0" x="{min(start, 1 - extent):.2%}" y="{y + 20}" '
                f'width="{extent:.2%}" height="14" fill="url(#{key}-0)"/>'
            )
    foot = len(lines) * STRIP + 14
    parts.append(f'<text x="0" y="{foot}">{escape(ends[0])}</text>')
    parts.append(f'<text x="100%" y="{foot}" text-anchor="end">{escape(ends[1])}</text>')
    body = _patterns(key, [0], first=1) + "".join(parts)
    return _image(key, title, description, foot + 6, body)


def bar(share: float) -> str:
    """Return a bar for a row of a table. The row says its number, so the bar is silent."""
    return (
        '<svg class="cf-bar" aria-hidden="true" focusable="false">'
        '<rect class="cf-track" width="100%" height="100%"/>'
        f'<rect class="cf-ink" width="{min(max(share, 0), 1):.1%}" height="100%"/></svg>'
    )


def swatch(key: str, number: int, series: Series) -> str:
    """Return the pattern of a series of the chart ``key``, for its legend."""
    return (
        '<svg class="cf-swatch" aria-hidden="true" focusable="false">'
        f'<rect class="cf-s{series.tone}" width="100%" height="100%" fill="url(#{key}-{number})"/>'
        "</svg>"
    )


def ceiling(value: int) -> int:
    """Return the next number above that halves well: 2, 4, 6, 10, 20, 40, 60, 100 ..."""
    if value <= 2:
        return 2
    power = int(10 ** (len(str(value)) - 1))
    steps = (1, 2, 4, 6, 10) if power > 1 else (2, 4, 6, 10)
    return next(step * power for step in steps if step * power >= value)


def _scale(top: int) -> str:
    parts = []
    for share in (0, top // 2, top):
        y = TOP + PLOT - share / top * PLOT
        parts.append(f'<line class="cf-grid" x1="{GUTTER:g}%" x2="100%" y1="{y:g}" y2="{y:g}"/>')
        parts.append(
            f'<text x="{GUTTER - 1:g}%" y="{y + 4:g}" text-anchor="end">{short(share)}</text>'
        )
    return "".join(parts)


def short(value: int) -> str:
    """Return a number for the scale: 950, 1.2k, 40k, 3M."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return str(value)


def _ticks(labels: Sequence[str], width: float) -> Iterable[str]:
    """Yield some of the labels; a phone leaves out every other one of these."""
    every = max(1, -(-len(labels) // MOST_LABELS))
    for count, index in enumerate(range(0, len(labels), every)):
        x = GUTTER + (index + 0.5) * width
        anchor = "middle" if 0 < index < len(labels) - 1 else "start" if not index else "end"
        minor = ' class="cf-minor"' if count % 2 else ""
        yield (
            f'<text{minor} x="{x:.2f}%" y="{TOP + PLOT + 16}" text-anchor="{anchor}">'
            f"{escape(labels[index])}</text>"
        )


def _patterns(key: str, tones: Sequence[int], first: int = 0) -> str:
    made = "".join(
        f'<pattern id="{key}-{number}" class="cf-s{tone}" width="6" height="6" '
        f'patternUnits="userSpaceOnUse">{PATTERNS[(number + first) % len(PATTERNS)]}</pattern>'
        for number, tone in enumerate(tones)
    )
    return f"<defs>{made}</defs>"


def _image(key: str, title: str, description: str, height: int, body: str) -> str:
    return (
        f'<svg class="cf-chart" role="img" aria-labelledby="{key}-title {key}-about" '
        f'width="100%" height="{height}">'
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-about">{escape(description)}</desc>{body}</svg>'
    )
