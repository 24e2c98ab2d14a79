"""docker-compose.yml: fields, names and paths. Compose itself is not needed, and not there in most places."""

import re
from pathlib import Path

import pytest
import yaml
from tests.deploy.files import ELSEWHERE, ROOT, default, read, settings_names, variables

COMPOSE = yaml.safe_load(read("docker-compose.yml"))
SERVICES = COMPOSE["services"]
SERVERS = ("server", "server-gpu")
ENGINE_STOP_S = 15
"""What stopping takes after the sessions have ended, at most."""

FIELDS = {
    "build", "cap_drop", "depends_on", "deploy", "env_file", "environment", "healthcheck", "image", "init", "networks",
    "ports", "profiles", "read_only", "restart", "security_opt", "shm_size", "stop_grace_period", "tmpfs", "ulimits",
    "volumes",
}  # fmt: skip
"""Of a service, as the Compose Specification spells them: those in use. A new one is added after a look there."""


def seconds(duration: str) -> int:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()
    return 60 * int(minutes or 0) + int(rest or 0)


def mounted_files() -> list[str]:
    """What services take from the repository."""
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    return [volume.split(":")[0] for volume in volumes if volume.startswith(".")]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_field_that_compose_does_not_know(name):
    assert SERVICES[name].keys() <= FIELDS


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" not in SERVICES[name]])
def test_an_image_of_others_has_a_full_version_and_a_health_check(name):
    """Those that are built here have theirs from the Dockerfile."""
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVERS)
def test_variables_of_a_server_are_settings(name):
    assert SERVICES[name]["environment"].keys() <= settings_names() | ELSEWHERE


@pytest.mark.parametrize("name", SERVERS)
def test_models_are_where_the_image_has_them(name):
    """Whatever `.env` says for a server without a container."""
    service = SERVICES[name]
    image = variables(service["build"].get("dockerfile", "Dockerfile"))
    assert service["environment"]["MODELS_DIR"] == image["MODELS_DIR"]


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_time_to_drain(name):
    assert seconds(SERVICES[name]["stop_grace_period"]) > default("DRAIN_TIMEOUT_SEC") + ENGINE_STOP_S


@pytest.mark.parametrize("name", SERVERS)
def test_ports_agree(name):
    (published,) = SERVICES[name]["ports"]
    inside = published.rpartition(":")[2]
    assert SERVICES[name]["environment"]["SERVER_PORT"] == inside == str(default("SERVER_PORT"))


def test_sessions_are_refused_before_the_kernel_kills():
    gib = int(SERVICES["server"]["deploy"]["resources"]["limits"]["memory"].removesuffix("g"))
    assert int(SERVICES["server"]["environment"]["MAX_MEMORY_MIB"]) == gib * 1024 * 80 // 100


def test_only_the_server_starts_by_itself():
    assert {name: tuple(service.get("profiles", ())) for name, service in SERVICES.items()} == {
        "server": (),
        "server-gpu": ("gpu",),
        "prometheus": ("monitoring",),
        "grafana": ("monitoring",),
    }


def test_monitoring_listens_on_this_machine_alone():
    for name in ("prometheus", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_dockerfiles_named_are_there():
    assert {SERVICES[name]["build"].get("dockerfile", "Dockerfile") for name in SERVERS} == {
        path.name for path in ROOT.glob("Dockerfile*")
    }


def test_build_arguments_are_those_of_the_dockerfile():
    for name in SERVERS:
        build = SERVICES[name]["build"]
        known = set(re.findall(r"^ARG (\w+)", read(build.get("dockerfile", "Dockerfile")), flags=re.MULTILINE))
        assert set(build["args"]) <= known


def test_volumes_are_declared():
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == COMPOSE["volumes"].keys()


def test_mounted_files_are_there():
    assert [name for name in mounted_files() if not (ROOT / name).exists()] == []


def test_prometheus_finds_the_servers():
    configuration = yaml.safe_load(read("deploy/prometheus/prometheus.yml"))
    (job,) = configuration["scrape_configs"]
    (group,) = job["static_configs"]
    for name in SERVERS:
        (alias,) = SERVICES[name]["networks"]["default"]["aliases"]
        assert group["targets"] == [f"{alias}:{SERVICES[name]['environment']['METRICS_PORT']}"]
    rules = [Path("deploy/prometheus", name) for name in configuration["rule_files"]]
    assert [path for path in rules if not (ROOT / path).exists()] == []


def test_grafana_finds_prometheus_and_the_dashboard():
    (source,) = yaml.safe_load(read("deploy/grafana/provisioning/datasources/prometheus.yml"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load(read("deploy/grafana/provisioning/dashboards/dashboards.yml"))["providers"]
    targets = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/dashboard.json" in targets
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in targets
