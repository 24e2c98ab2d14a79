"""The Kubernetes manifests: each against the schema of its kind, and all against the server's settings.

Where `kubectl` is, what it renders is held against the schemas too; the overlays are patches and show it only then.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from tests.deploy.files import KUBERNETES, default, documents, settings_file, settings_names, the_value

from qwen3_asr_realtime.settings import Settings

VERSION = "1.37.0"
OVERLAYS = ("cpu", "gpu", "gateway")
CUSTOM = {"ServiceMonitor"}
"""Kinds whose schemas come with their operators, and are not looked at here."""

NOT_MANIFESTS = {"prometheus-adapter-values.yaml"}
PATCHES = {
    "overlays/cpu/resources.yaml",
    "overlays/gpu/gpu.yaml",
    "overlays/gpu/download.yaml",
    "overlays/gateway/resources.yaml",
    "overlays/gateway/vllm.yaml",
}
MANIFESTS = [
    path
    for path in sorted(KUBERNETES.rglob("*.yaml"))
    if path.name not in {"kustomization.yaml", *NOT_MANIFESTS}
    and path.relative_to(KUBERNETES).as_posix() not in PATCHES
]

KUBECTL = shutil.which("kubectl")
with_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not here")


def kustomization(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))


def validate(manifest: dict[str, Any]) -> None:
    if manifest["kind"] not in CUSTOM:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def the(kind: str, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


@pytest.fixture(scope="module", params=OVERLAYS)
def rendered(request, tmp_path_factory) -> list[dict[str, Any]]:
    """All manifests of an overlay with all components."""
    tree = tmp_path_factory.mktemp("rendered") / "kubernetes"
    shutil.copytree(KUBERNETES, tree)
    overlay = tree / "overlays" / request.param
    file = overlay / "kustomization.yaml"
    components = [f"../../components/{path.name}" for path in sorted((tree / "components").iterdir())]
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"components": components}))
    done = subprocess.run([KUBECTL, "kustomize", overlay], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_every_file_is_used():
    """A manifest that no kustomization names would never be applied."""
    named = set()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        content = kustomization(file.parent)
        names = [
            *content.get("resources", []),
            *(patch["path"] for patch in content.get("patches", []) if "path" in patch),
            *(name for generator in content.get("configMapGenerator", []) for name in generator["envs"]),
        ]
        named |= {(file.parent / name).resolve() for name in names}
    files = {path for path in KUBERNETES.rglob("*") if path.is_file() and path.name != "kustomization.yaml"}
    assert {path for path in named if path.is_file()} == {path for path in files if path.name not in NOT_MANIFESTS}
    assert [path for path in named if not path.exists()] == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.relative_to(KUBERNETES).as_posix())
def test_a_manifest_is_what_kubernetes_expects(path):
    for manifest in documents(path):
        validate(manifest)


@with_kubectl
def test_what_is_applied_is_what_kubernetes_expects(rendered):
    assert len(rendered) > len(MANIFESTS) / 2
    for manifest in rendered:
        validate(manifest)


@pytest.mark.parametrize("file", sorted(KUBERNETES.rglob("settings.env")), ids=lambda path: path.parent.name)
def test_variables_are_settings_with_values_they_may_have(file, monkeypatch):
    values = settings_file(file)
    assert values.keys() <= settings_names()
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    Settings(_env_file=None)


def deployment() -> dict[str, Any]:
    (manifest,) = documents(KUBERNETES / "base" / "deployment.yaml")
    return manifest


def server_of(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return container


def test_ports_agree():
    container = server_of(deployment())
    settings = settings_file(KUBERNETES / "base" / "settings.env")
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "http": default("SERVER_PORT"),
        "metrics": int(settings["METRICS_PORT"]),
    }
    (service,) = documents(KUBERNETES / "base" / "service.yaml")
    assert [(port["name"], port["targetPort"]) for port in service["spec"]["ports"]] == [
        ("http", "http"),
        ("metrics", "metrics"),
    ]
    (monitor,) = documents(KUBERNETES / "components" / "monitoring" / "servicemonitor.yaml")
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == ["metrics"]
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "http"
    }


def test_probes_ask_the_pages_that_are_meant_for_them():
    container = server_of(deployment())
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/health"}


def test_the_pod_meets_the_restricted_pod_security_standard():
    pod = deployment()["spec"]["template"]["spec"]
    container = server_of(deployment())
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_runs_as_the_user_of_the_images():
    context = deployment()["spec"]["template"]["spec"]["securityContext"]
    for dockerfile in ("Dockerfile", "Dockerfile.gpu"):
        assert the_value(dockerfile, "USER") == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_a_pod_has_time_to_drain():
    settings = settings_file(KUBERNETES / "base" / "settings.env")
    container = server_of(deployment())
    needed_s = container["lifecycle"]["preStop"]["sleep"]["seconds"] + int(settings["DRAIN_TIMEOUT_SEC"])
    assert deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= needed_s + 15
    (patch,) = documents(KUBERNETES / "overlays" / "gpu" / "gpu.yaml")
    assert patch["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= needed_s + 30


def test_a_gpu_pod_has_time_to_load_the_model():
    settings = settings_file(KUBERNETES / "overlays" / "gpu" / "settings.env")
    (patch,) = documents(KUBERNETES / "overlays" / "gpu" / "gpu.yaml")
    probe = server_of(patch)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > float(settings["ENGINE_START_TIMEOUT_SEC"])
    assert server_of(patch)["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_the_engine_keeps_to_the_limits_of_its_pod():
    settings = settings_file(KUBERNETES / "overlays" / "cpu" / "settings.env")
    (patch,) = documents(KUBERNETES / "overlays" / "cpu" / "resources.yaml")
    assert settings["EMBEDDED_WORKERS"] == server_of(patch)["resources"]["limits"]["cpu"]


@pytest.mark.parametrize("overlay", ["cpu", "gateway"])
def test_sessions_are_refused_before_the_kernel_kills(overlay):
    settings = settings_file(KUBERNETES / "overlays" / overlay / "settings.env")
    (patch,) = documents(KUBERNETES / "overlays" / overlay / "resources.yaml")
    memory = server_of(patch)["resources"]["limits"]["memory"]
    assert int(settings["MAX_MEMORY_MIB"]) == int(memory.removesuffix("Gi")) * 1024 * 80 // 100


@with_kubectl
@pytest.mark.parametrize("rendered", ["gateway"], indirect=True)
def test_a_gateway_reaches_names_and_its_servers(rendered):
    endpoints = the("ConfigMap", rendered)["data"]["VLLM_ENDPOINTS"].split(",")
    names, servers = the("NetworkPolicy", rendered)["spec"]["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert [port["port"] for port in servers["ports"]] == [urlsplit(endpoints[0]).port]
    assert {urlsplit(endpoint).port for endpoint in endpoints} == {8000}


def test_keys_are_read_where_the_secret_is_mounted():
    settings = settings_file(KUBERNETES / "base" / "settings.env")
    (mount,) = (mount for mount in server_of(deployment())["volumeMounts"] if mount["name"] == "api-keys")
    assert Path(settings["API_KEYS_FILE"]).parent == Path(mount["mountPath"])


def test_every_selector_finds_the_pods():
    labels = deployment()["spec"]["template"]["metadata"]["labels"]
    for name, path in (
        ("service", ("selector",)),
        ("poddisruptionbudget", ("selector", "matchLabels")),
        ("networkpolicy", ("podSelector", "matchLabels")),
    ):
        (manifest,) = documents(KUBERNETES / "base" / f"{name}.yaml")
        selector = manifest["spec"]
        for key in path:
            selector = selector[key]
        assert selector == labels


def test_pods_are_counted_by_sessions():
    folder = KUBERNETES / "components" / "autoscaling"
    (scaler,) = documents(folder / "horizontalpodautoscaler.yaml")
    (metric,) = scaler["spec"]["metrics"]
    (rule,) = documents(folder / "prometheus-adapter-values.yaml")[0]["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{metric['pods']['metric']['name']}{{")
    assert int(metric["pods"]["target"]["averageValue"]) < default("MAX_SESSIONS")
    (reference,) = [scaler["spec"]["scaleTargetRef"]]
    assert (reference["kind"], reference["name"]) == ("Deployment", deployment()["metadata"]["name"])


@with_kubectl
def test_the_autoscaler_s_number_of_pods_is_not_set_back(rendered):
    assert "replicas" not in the("Deployment", rendered)["spec"]


def test_the_ingress_waits_longer_than_the_server():
    (ingress,) = documents(KUBERNETES / "components" / "ingress" / "ingress.yaml")
    timeouts = [value for name, value in ingress["metadata"]["annotations"].items() if "time" in name]
    assert len(timeouts) == 5
    assert all(int(re.match(r"\d+", value)[0]) > default("IDLE_TIMEOUT_SEC") for value in timeouts)
