import contextlib
import os
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from qwen3_asr_realtime.client import local_server as local_server_module
from qwen3_asr_realtime.client.command import run_transcribe
from qwen3_asr_realtime.client.local_server import ServerStartError, local_server, reserved_port

CLIP = Path(__file__).parent.parent / "speech" / "cmd_goforward.wav"

STAND_IN = """
import http.server, os, signal, sys
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(os.environ.get("STATUS", 200)))
        self.end_headers()
print("listening", flush=True)
http.server.HTTPServer((os.environ["SERVER_HOST"], int(os.environ["SERVER_PORT"])), Health).serve_forever()
"""


def stand_in(*ignored_signals):
    """A process that behaves like the server as far as starting and stopping go."""
    return [sys.executable, "-c", STAND_IN, *ignored_signals]


def is_alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_the_server_lives_as_long_as_the_context(tmp_path):
    log = tmp_path / "server.log"
    with local_server(command=stand_in(), log_path=log) as server:
        assert is_alive(server.pid)
        assert server.url == server.http_url.replace("http:", "ws:") + "/api-ws/v1/realtime"
        assert urllib.request.urlopen(server.http_url + "/health").status == 200
    assert not is_alive(server.pid)
    assert log.read_text().startswith("listening\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server share a port that does not listen")
def test_a_reserved_port_is_for_the_server_alone():
    with reserved_port() as port, socket.socket() as other:
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        socket.create_server(("127.0.0.1", port)).close()


def test_a_server_that_has_ended_is_not_taken_for_healthy(monkeypatch):
    monkeypatch.setattr(local_server_module, "_is_healthy", lambda port: process_has_ended())

    def process_has_ended():
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        return True

    with pytest.raises(ServerStartError, match="status 3"), local_server(command=["bash", "-c", "exit 3"]):
        pass


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_exception_stops_it_too(error):
    with pytest.raises(error), local_server(command=stand_in()) as server:
        raise error
    assert not is_alive(server.pid)


def test_a_server_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(local_server_module, "STOP_TIMEOUT_S", 0.05)
    with local_server(command=stand_in("SIGTERM")) as server:
        pass
    assert not is_alive(server.pid)


def test_ctrl_c_while_it_drains_leaves_no_orphan():
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), local_server(command=stand_in("SIGTERM")) as server:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert not is_alive(server.pid)


def test_ctrl_c_of_the_terminal_does_not_reach_it():
    with local_server(command=stand_in()) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_a_server_that_dies_at_start_is_quoted():
    command = [sys.executable, "-c", "import sys; sys.exit('no model here')"]
    with (
        pytest.raises(ServerStartError, match=r"status 1; its last words:\nno model here"),
        local_server(command=command),
    ):
        pass


def test_a_server_that_stays_unhealthy_is_stopped():
    with (
        pytest.raises(ServerStartError, match=r"not healthy after 0\.5 s"),
        local_server(command=stand_in(), env={"STATUS": "503"}, start_timeout_s=0.5),
    ):
        pass


def test_what_is_set_for_the_public_server_is_not_for_a_private_one(monkeypatch):
    for name, value in {"API_KEYS": "sk-of-acme-0123456789", "TLS_CERT_FILE": "a", "TLS_KEY_FILE": "b"}.items():
        monkeypatch.setenv(name, value)
    with local_server(env={"ASR_ENGINE": "scripted"}) as server:
        assert run_transcribe([CLIP], url=server.url, speed=4.0) == 0


def test_the_real_server_transcribes_a_file(capsys):
    with local_server(env={"ASR_ENGINE": "scripted"}) as server:
        assert run_transcribe([CLIP], url=server.url, speed=4.0) == 0
    assert capsys.readouterr().out
    assert not is_alive(server.pid)
