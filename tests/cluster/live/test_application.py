import pytest
import yaml
from ray.serve.schema import ServeDeploySchema
from tests.cluster.test_environment import CONFIG

from qwen3_asr_realtime.cluster.application import Plan, application, build
from qwen3_asr_realtime.settings import Settings, SettingsError


def test_the_config_file_is_one_of_serve_and_its_arguments_are_a_plan():
    config = ServeDeploySchema.model_validate(yaml.safe_load(CONFIG.read_text()))

    assert Plan.model_validate(config.applications[0].args).max_replicas == 4


def test_the_config_file_s_settings_are_checked_like_the_command_s(monkeypatch):
    monkeypatch.setenv("METRICS_PORT", "9001")

    with pytest.raises(SettingsError, match="METRICS_PORT has no effect"):
        build(Plan())


def deployment(settings=None, **plan):
    return application(Plan(**plan), settings or Settings())._bound_deployment


def test_as_many_replicas_as_there_are_to_be():
    assert deployment(min_replicas=3).num_replicas == 3


def test_replicas_are_added_before_sessions_have_to_be_refused():
    settings = Settings(max_sessions=100)

    config = deployment(settings, min_replicas=1, max_replicas=4)._deployment_config.autoscaling_config

    assert (config.min_replicas, config.max_replicas, config.target_ongoing_requests) == (1, 4, 70)


def test_a_session_too_many_is_refused_by_the_server_and_does_not_wait_for_serve():
    assert deployment(Settings(max_sessions=100)).max_ongoing_requests > 100


def test_fewer_at_most_than_at_least_is_refused():
    with pytest.raises(ValueError, match="at most 1 replicas are fewer than at least 2"):
        Plan(min_replicas=2, max_replicas=1)


def test_a_replica_is_one_process_with_its_share_of_the_cores():
    (settings,) = application(Plan(cpus=4), Settings(server_workers=8))._bound_deployment.init_args

    assert (settings.server_workers, settings.embedded_workers) == (1, 4)
