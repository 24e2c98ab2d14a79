"""Dashboard, alert rules and their runbook, against what a running server measures."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.server.harness import eventually, running_server

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.protocol import session
from qwen3_asr_realtime.protocol.commands import Close
from qwen3_asr_realtime.server.metrics import LIMITS, REFUSING

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"up", "instance", "job", "le"}
"""What Prometheus adds to what a server measures."""

NAME = re.compile(r"\bqwen3_asr_[a-z0-9_]+")
SELECTOR = re.compile(r"(qwen3_asr_[a-z0-9_]+)\{([^}]*)\}")


def expressions() -> list[str]:
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    variables = [variable["query"] for variable in DASHBOARD["templating"]["list"]]
    return [*targets, *variables, *(rule["expr"] for rule in RULES)]


def anchors(markdown: str) -> set[str]:
    """Those of its headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
async def measured(go_forward: bytes) -> dict[str, set[str]]:
    """Names of all series of a server that has served and refused a session, with the names of their labels."""
    async with running_server(max_sessions=1) as server:
        async with server.session() as client:
            async with server.connect() as refused:
                await refused.until("error")
            await client.send("nonsense")
            await client.append(go_forward)
            await client.finish()
        await eventually(lambda: not server.service.connections)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            text = (await http.get("/metrics")).text
    return {
        sample.name: set(sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples
    }


async def test_every_metric_that_is_drawn_or_watched_is_measured(measured: dict[str, set[str]]) -> None:
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert named - measured.keys() == set()


async def test_every_label_that_is_chosen_by_is_there(measured: dict[str, set[str]]) -> None:
    chosen = {
        (name, label)
        for expression in expressions()
        for name, matchers in SELECTOR.findall(expression)
        for label in re.findall(r"(\w+)(?:=|!=|=~|!~)", matchers)
    }
    assert {(name, label) for name, label in chosen if label not in measured[name] | OF_PROMETHEUS} == set()


async def test_the_table_of_metrics_is_complete(measured: dict[str, set[str]]) -> None:
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in measured}
    table = set(re.findall(r"^\| `(qwen3_asr_[a-z_]+)", OPERATIONS, flags=re.MULTILINE))
    assert table == families


def test_the_tables_of_limits_are_complete() -> None:
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", OPERATIONS, flags=re.MULTILINE))
    assert {name.upper() for name in LIMITS} <= named


def values_named(metric: str) -> set[str]:
    """What its row of the table of metrics has in code marks, the labels' values among it."""
    (row,) = re.findall(rf"^\| `{metric}` (.*)$", OPERATIONS, flags=re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", row))


def test_the_table_of_metrics_names_every_close_of_the_session_and_every_priority() -> None:
    closes = {value.reason for value in vars(session).values() if isinstance(value, Close)}

    assert "idle timeout" in closes
    assert closes <= values_named("qwen3_asr_sessions_closed_total")
    assert {priority.name.lower() for priority in Priority} <= values_named("qwen3_asr_queue_wait_seconds")


def test_lines_of_the_log_are_called_by_words_and_the_page_calls_them_so() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    logged = set(re.findall(r'\blog\.\w+\(\s*"([^"]+)"', source))
    rows = re.findall(r"^\| (`[^|]+) \| (?:info|warning|error)", OPERATIONS, flags=re.MULTILINE)

    assert "engine died" in logged
    assert {name for name in logged if "_" in name} == set()
    assert [name for row in rows for name in re.findall(r"`([^`]+)`", row) if f'"{name}"' not in source] == []


@pytest.mark.parametrize(
    ("severity", "limits"),
    [
        ("page", set(REFUSING) - {"API_KEYS", "ALLOWED_ORIGINS", "draining"}),
        ("ticket", {"API_KEYS", "ALLOWED_ORIGINS"}),
    ],
)
def test_nobody_is_woken_for_strangers_or_for_a_drain(severity: str, limits: set[str]) -> None:
    matchers = [
        re.search(r'sessions_refused_total\{limit(=~|!~)"([^"]+)"\}', rule["expr"])
        for rule in RULES
        if "sessions_refused" in rule["expr"] and rule["labels"]["severity"] == severity
    ]
    watched = {
        limit
        for matcher in matchers
        for limit in REFUSING
        if matcher is None or bool(re.fullmatch(matcher[2], limit)) == (matcher[1] == "=~")
    }
    assert watched == limits


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "description", "runbook_url"} == rule["annotations"].keys()
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert document == "docs/operations.md"
    assert anchor in anchors(OPERATIONS)
    assert anchor == re.sub(r"(?<!^)([A-Z])", r"-\1", rule["alert"]).lower()


def test_every_entry_of_the_runbook_belongs_to_an_alert() -> None:
    runbook = OPERATIONS.partition("\n## Runbook\n")[2].partition("\n## ")[0]
    assert anchors(runbook) == {rule["annotations"]["runbook_url"].partition("#")[2] for rule in RULES}


def test_the_dashboard_has_no_panel_twice_and_none_over_another() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    covered = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24
