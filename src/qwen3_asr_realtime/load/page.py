"""The report as one HTML page that needs neither network nor script.

It is put together as a tree, so whatever a server or a file name says is escaped on the way out.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from qwen3_asr_realtime.client.display import printable
from qwen3_asr_realtime.load.charts import histogram, line_chart
from qwen3_asr_realtime.load.figures import Report, Stage
from qwen3_asr_realtime.load.summary import FIGURES, conditions, n_sessions, notes, verdict_line

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .8em; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
.plots { display: flex; flex-wrap: wrap; gap: 1em; }
svg { width: 560px; max-width: 100%; }
svg text { font-size: 11px; fill: currentColor; }
svg text.heading { font-size: 13px; font-weight: 600; }
svg line { stroke: #8884; }
polyline { fill: none; stroke-width: 2; }
.s0 { stroke: #2b7bba; fill: #2b7bba; } .s1 { stroke: #d9822b; fill: #d9822b; } .s2 { stroke: #b5394e; fill: #b5394e; }
polyline.s0, polyline.s1, polyline.s2 { fill: none; }
svg text.s0, svg text.s1, svg text.s2 { stroke: none; }
svg text.s0 { fill: #2b7bba; } svg text.s1 { fill: #d9822b; } svg text.s2 { fill: #b5394e; }
.bad { color: #c0392b; font-weight: 600; }
dt { font-weight: 600; } dd { margin: 0 0 .4em 1em; }
"""


def page(report: Report) -> str:
    """The report as the text of an HTML file."""
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "title").text = "Load test"
    SubElement(head, "style").text = _STYLE
    body = SubElement(html, "body")
    _add(body, "h1", "Load test")
    for line in conditions(report):
        _add(body, "p", line)
    for note in notes(report):
        _add(body, "p", note, "bad")
    for verdict in report.verdicts:
        _add(body, "p", verdict_line(verdict), "" if verdict.within else "bad")
    _add(body, "h2", "Over the number of sessions")
    _add_plots(body, _overviews(report.stages))
    _add(body, "h2", "Figures")
    _add_figures(body, report.stages)
    _add(body, "h2", "End of speech to final, by stage")
    _add_plots(
        body,
        [
            histogram(
                n_sessions(stage.sessions),
                "ms from the end of speech to the final",
                [row.final_ms for row in stage.details if row.final_ms is not None],
            )
            for stage in report.stages
        ],
    )
    _add_errors(body, report.stages)
    _add(body, "h2", "What the figures mean")
    meanings = SubElement(body, "dl")
    for figure in FIGURES:
        _add(meanings, "dt", figure.name)
        _add(meanings, "dd", figure.meaning)
    indent(html)
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _overviews(stages: Sequence[Stage]) -> list[Element]:
    if not stages:
        return []
    sessions = [str(stage.sessions) for stage in stages]

    def plot(title: str, unit: str, series: dict[str, list[float | None]]) -> Element:
        return line_chart(title, "sessions", unit, sessions, series)

    def spread(title: str, name: str) -> Element:
        spreads = [getattr(stage, name) for stage in stages]
        return plot(title, "ms", {key: [getattr(each, key) for each in spreads] for key in ("p50", "p95", "p99")})

    return [
        spread("End of speech to final", "final_ms"),
        spread("Start of speech to first partial", "first_partial_ms"),
        spread("Endpoint decision to final", "decision_to_final_ms"),
        spread("Time between partials", "partial_interval_ms"),
        plot(
            "Errors against what was said",
            "%",
            {
                "words": [None if stage.wer is None else stage.wer * 100 for stage in stages],
                "characters": [None if stage.cer is None else stage.cer * 100 for stage in stages],
            },
        ),
    ]


def _add_figures(body: Element, stages: Sequence[Stage]) -> None:
    table = SubElement(body, "table")
    header = SubElement(table, "tr")
    for title in ("sessions", *(str(stage.sessions) for stage in stages)):
        _add(header, "th", title)
    for figure in FIGURES:
        row = SubElement(table, "tr")
        _add(row, "td", figure.name)
        for stage in stages:
            _add(row, "td", figure.text(stage))


def _add_errors(body: Element, stages: Sequence[Stage]) -> None:
    if not any(stage.errors for stage in stages):
        return
    _add(body, "h2", "Errors")
    table = SubElement(body, "table")
    for stage in stages:
        for message, count in stage.errors.items():
            row = SubElement(table, "tr")
            _add(row, "td", message)
            _add(row, "td", f"{count} times with {n_sessions(stage.sessions)}")


def _add_plots(body: Element, plots: Sequence[Element]) -> None:
    SubElement(body, "div", {"class": "plots"}).extend(plots)


def _add(parent: Element, tag: str, text: str, style: str = "") -> None:
    # Control characters are no part of HTML, whatever the escape.
    SubElement(parent, tag, {"class": style} if style else {}).text = printable(text)
