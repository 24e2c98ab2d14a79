"""A line chart as an SVG file, drawn with nothing but the standard library; no benchmark of its own."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import count
from pathlib import Path

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
COLOURS = ("#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad")
TICKS = 6


def write_line_chart(
    path: Path, lines: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_label: str, y_label: str
) -> None:
    """Write a chart.

    Args:
        path: The file.
        lines: Points (x, y) of each line, by its name; none of them negative.
        title: What it shows.
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
    """
    points = [point for line in lines.values() for point in line]
    x_ticks, y_ticks = (ticks(max(values)) for values in zip(*points, strict=True))

    def x_of(value: float) -> float:
        return LEFT + value / x_ticks[-1] * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - value / y_ticks[-1] * (HEIGHT - TOP - BOTTOM)

    def text(x: float, y: float, words: str, anchor: str = "middle", **more: str) -> str:
        attributes = "".join(f' {name}="{value}"' for name, value in more.items())
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>{escape(words)}</text>'

    def rule(x1: float, y1: float, x2: float, y2: float) -> str:
        return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#ddd"/>'

    middle = (TOP + HEIGHT - BOTTOM) / 2
    shapes = [
        '<rect width="100%" height="100%" fill="white"/>',
        text(WIDTH / 2, TOP / 2 + 5, title),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label),
        text(16, middle, y_label, transform=f"rotate(-90 16 {middle:.1f})"),
    ]
    for tick in x_ticks:
        shapes += [rule(x_of(tick), y_of(0), x_of(tick), TOP), text(x_of(tick), y_of(0) + 18, f"{tick:g}")]
    for tick in y_ticks:
        y = y_of(tick)
        shapes += [rule(LEFT, y, WIDTH - RIGHT, y), text(LEFT - 8, y + 4, f"{tick:g}", "end")]
    for number, colour, (name, line) in zip(count(), COLOURS, lines.items(), strict=False):
        way = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in line)
        shapes.append(f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes.append(text(LEFT + 12, TOP + 18 + 18 * number, name, "start", fill=colour))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="#333">\n' + "\n".join(shapes) + "\n</svg>\n",
        encoding="utf-8",
    )


def ticks(largest: float) -> list[float]:
    """Round numbers from 0 to the first one that is not below `largest`."""
    steps = (digit * 10.0**power for power in range(-6, 12) for digit in (1, 2, 5))
    step = next((step for step in steps if step * TICKS >= largest), largest)
    ends = next(number for number in count(1) if number * step >= largest)
    return [number * step for number in range(ends + 1)]
