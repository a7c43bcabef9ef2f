"""Bars and lines as SVG, written by hand: a picture in the repository should be text that a reviewer can read."""

import html
import math

COLOURS = ("#4878a8", "#e0894a", "#7aa860", "#a06ab4", "#c44e52", "#8c8c8c")
OURS = "#1b5e20"
FONT = 'font-family="Helvetica, Arial, sans-serif"'


def _text(x, y, words, size=12, anchor="start", more=""):
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} {FONT} fill="#222" {more}>{html.escape(str(words))}</text>'


def _line(x1, y1, x2, y2, more='stroke="#ddd"'):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>'


def _document(width, height, title, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    background = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, background, _text(16, 26, title, 16, more='font-weight="bold"'), *parts, "</svg>"]) + "\n"


def _ticks(high, is_log, low=1.0):
    if is_log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0**power for power in range(first, last + 1)]
    step = 10 ** math.floor(math.log10(high))
    for part in (0.1, 0.2, 0.25, 0.5, 1, 2):
        if high / (step * part) <= 8:
            step *= part
            break
    return [step * index for index in range(int(high / step) + 2)]


def _number(value):
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def bars(title, unit, groups, is_log=False):
    """Horizontal bars. `groups` is [(label, is_ours, [(series, value, low, high), ...]), ...]."""
    left, right, top, row = 320, 80, 64, 17
    series = list(dict.fromkeys(name for _, _, values in groups for name, *_ in values))
    heights = [len(values) * row + 12 for _, _, values in groups]
    width, height = 920, top + sum(heights) + 46
    all_values = [high or value for _, _, values in groups for _, value, _, high in values if value]
    low_value = min(value for _, _, values in groups for _, value, *_ in values if value)
    ticks = _ticks(max(all_values), is_log, low_value)
    span = width - left - right

    def place(value):
        if is_log:
            first, last = math.log10(ticks[0]), math.log10(ticks[-1])
            return left + span * (math.log10(max(value, ticks[0])) - first) / (last - first)
        return left + span * value / ticks[-1]

    parts, bottom = [], top + sum(heights)
    for index, name in enumerate(series):
        x = left + index * 190
        parts.append(f'<rect x="{x}" y="38" width="11" height="11" fill="{COLOURS[index]}"/>')
        parts.append(_text(x + 16, 48, name, 12))
    for tick in ticks:
        x = place(tick)
        parts.append(_line(x, top, x, bottom))
        parts.append(_text(x, bottom + 15, _number(tick), 11, "middle"))
    y = top + 6
    for label, is_ours, values in groups:
        weight = 'font-weight="bold"' if is_ours else ""
        parts.append(_text(left - 10, y + len(values) * row / 2 + 3, label, 12, "end", weight))
        for name, value, low, high in values:
            if value:
                x, colour = place(value), COLOURS[series.index(name)]
                edge = f' stroke="{OURS}" stroke-width="1.5"' if is_ours else ""
                shape = f'x="{left}" y="{y}" width="{x - left:.1f}" height="{row - 4}"'
                parts.append(f'<rect {shape} fill="{colour}"{edge}/>')
                end = x
                if low and high:
                    middle = y + (row - 4) / 2
                    end = max(x, place(high))
                    parts.append(_line(place(low), middle, place(high), middle, 'stroke="#222"'))
                parts.append(_text(end + 5, y + row - 7, _number(value), 11))
            y += row
        y += 12
    parts.append(_text(left, bottom + 34, unit, 12))
    return _document(width, height, title, parts)


def lines(title, unit, across, curves):
    """Curves over a logarithmic axis. `curves` is [(label, is_ours, [(x, y), ...]), ...]; 0 stands left of 1."""
    left, top, width, height = 60, 64, 920, 420
    right, bottom = width - 310, height - 56
    points = [point for _, _, curve in curves for point in curve]
    ticks = _ticks(max(y for _, y in points), False)
    stops = sorted({x for x, _ in points})

    def place(x, y):
        # 0 has no logarithm: it gets the place of half of 1.
        first, last = math.log10(max(stops[0], 0.5)), math.log10(max(stops[-1], 1))
        share = (math.log10(max(x, 0.5)) - first) / (last - first or 1)
        return left + (right - left) * share, bottom - (bottom - top) * y / ticks[-1]

    parts = []
    for tick in ticks:
        y = place(1, tick)[1]
        parts.append(_line(left, y, right, y))
        parts.append(_text(left - 6, y + 4, _number(tick), 11, "end"))
    for stop in stops:
        parts.append(_text(place(stop, 0)[0], bottom + 16, f"{stop:,}", 11, "middle"))
    for index, (label, is_ours, curve) in enumerate(curves):
        colour = OURS if is_ours and index == 0 else COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in curve))
        thickness = 3 if is_ours else 1.6
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thickness}"/>')
        for x, y in (place(*point) for point in curve):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
        y = top + 20 * index
        parts.append(_line(right + 16, y, right + 36, y, f'stroke="{colour}" stroke-width="{thickness}"'))
        parts.append(_text(right + 42, y + 4, label, 12))
    parts.append(_text((left + right) / 2, bottom + 36, across, 12, "middle"))
    parts.append(_text(left, top - 12, unit, 12))
    return _document(width, height, title, parts)
