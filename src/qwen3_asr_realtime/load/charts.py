"""Plots as SVG elements, drawn without scripts, for pages that must work on their own."""

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

WIDTH, HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 34, 44
_INNER_WIDTH, _INNER_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_TICKS = 5
_BINS = 24


def line_chart(
    title: str, x_title: str, y_title: str, x_labels: Sequence[str], series: Mapping[str, Sequence[float | None]]
) -> Element:
    """One line for each series over evenly spaced labels; where a value is missing, the line has a gap.

    Args:
        title: Of the plot.
        x_title: Below the labels.
        y_title: Unit of the values.
        x_labels: At least one.
        series: Values by name, one for each label; negative ones are drawn at 0.
    """
    top = _round_up(max((value for values in series.values() for value in values if value is not None), default=1.0))
    svg = _frame(title, x_title, y_title, top)
    step = _INNER_WIDTH / len(x_labels)
    for index, label in enumerate(x_labels):
        _text(svg, label, _LEFT + (index + 0.5) * step, HEIGHT - _BOTTOM + 16, anchor="middle")
    for number, (name, values) in enumerate(series.items()):
        style = f"s{number}"
        points = [
            None if value is None else (_LEFT + (index + 0.5) * step, _y(value, top))
            for index, value in enumerate(values)
        ]
        for piece in _pieces(points):
            SubElement(svg, "polyline", {"class": style, "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)})
        for point, value in zip(points, values, strict=True):
            if point is not None:
                dot = SubElement(svg, "circle", {"class": style, "cx": f"{point[0]:.1f}", "cy": f"{point[1]:.1f}"})
                dot.set("r", "3.5")
                SubElement(dot, "title").text = f"{name}: {value:g}"
        _text(svg, name, WIDTH - _RIGHT - 70 * (len(series) - number - 1), 16, anchor="end", style=style)
    return svg


def histogram(title: str, x_title: str, values: Sequence[float]) -> Element:
    """How many of the values are how large, in bins of equal width.

    Args:
        title: Of the plot.
        x_title: Unit of the values.
        values: May be none.
    """
    low = math.floor(min(values, default=0.0) / 100) * 100
    high = max(low + 100, math.ceil(max(values, default=100.0) / 100) * 100)
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int((value - low) / (high - low) * _BINS))] += 1
    top = _round_up(max(counts))
    svg = _frame(title, x_title, "utterances", top)
    step = _INNER_WIDTH / _BINS
    for index, count in enumerate(counts):
        if count:
            y = _y(count, top)
            bar = SubElement(svg, "rect", {"class": "s0", "x": f"{_LEFT + index * step + 0.5:.1f}", "y": f"{y:.1f}"})
            bar.set("width", f"{step - 1:.1f}")
            bar.set("height", f"{HEIGHT - _BOTTOM - y:.1f}")
            begin = low + index * (high - low) / _BINS
            SubElement(bar, "title").text = f"{begin:.0f} to {begin + (high - low) / _BINS:.0f}: {count}"
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        label = f"{low + share * (high - low):.0f}"
        _text(svg, label, _LEFT + share * _INNER_WIDTH, HEIGHT - _BOTTOM + 16, anchor="middle")
    return svg


def _frame(title: str, x_title: str, y_title: str, top: float) -> Element:
    svg = Element("svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": title})
    _text(svg, title, 8, 16, anchor="start", style="heading")
    _text(svg, x_title, _LEFT + _INNER_WIDTH / 2, HEIGHT - 8, anchor="middle")
    _text(svg, y_title, 8, _TOP - 4, anchor="start")
    for tick in range(_TICKS):
        value = top * tick / (_TICKS - 1)
        y = f"{_y(value, top):.1f}"
        SubElement(svg, "line", {"x1": str(_LEFT), "x2": str(WIDTH - _RIGHT), "y1": y, "y2": y})
        _text(svg, f"{value:g}", _LEFT - 6, float(y) + 4, anchor="end")
    return svg


def _text(svg: Element, text: str, x: float, y: float, *, anchor: str, style: str = "label") -> None:
    element = SubElement(svg, "text", {"class": style, "x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = text


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - _INNER_HEIGHT * max(0.0, value) / top


def _round_up(value: float) -> float:
    """The next number of a scale whose quarters read well."""
    if value <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(value))
    return next(decade * factor for factor in (1, 2, 4, 6, 8, 10, 12) if decade * factor >= value)


def _pieces(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """The stretches without a gap."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if len(piece) > 1]
