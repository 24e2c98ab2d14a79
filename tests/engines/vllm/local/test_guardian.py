import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from qwen3_asr_realtime.engines.vllm.local import guardian as guardian_module
from qwen3_asr_realtime.engines.vllm.local.guardian import Guardian, ProcessIdentity

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")

PATIENCE_S = 20


def spawn(code: str) -> subprocess.Popen:
    """Run Python code; returns once it has said that it is ready."""
    process = subprocess.Popen([sys.executable, "-ISc", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    process.ready = process.stdout.readline().strip()
    return process


def ended(process: ProcessIdentity) -> bool:
    """Wait for a process that is not our child."""
    with open(os.pidfd_open(process.pid) if process.runs else os.devnull) as pidfd:
        return not process.runs or bool(select.select([pidfd], [], [], PATIENCE_S)[0])


@pytest.fixture
def sleeper():
    process = spawn("print('ready', flush=True); import time; time.sleep(1000)")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def guardian():
    guardian = Guardian()
    yield guardian
    guardian.close()


def test_what_it_guards_ends_with_it(guardian, sleeper) -> None:
    guardian.watch([sleeper.pid])

    guardian.close()

    assert sleeper.wait(PATIENCE_S) == -signal.SIGTERM


def test_descendants_end_too(guardian) -> None:
    parent = spawn("""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-ISc", "import time; time.sleep(1000)"])
        print(child.pid, flush=True)
        time.sleep(1000)
    """)
    child = ProcessIdentity.of(int(parent.ready))
    assert child.runs
    guardian.watch([parent.pid])

    guardian.close()

    parent.wait(PATIENCE_S)
    parent.stdout.close()
    assert not child.runs


def test_what_does_not_end_when_asked_is_killed(monkeypatch, tmp_path) -> None:
    source = Path(guardian_module.__file__).read_text().replace("GRACE_S = 2.0", "GRACE_S = 0.2")
    (tmp_path / "guardian.py").write_text(source)
    monkeypatch.setattr(guardian_module, "__file__", str(tmp_path / "guardian.py"))
    guardian = Guardian()
    stubborn = spawn("""
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('ready', flush=True)
        time.sleep(1000)
    """)
    guardian.watch([stubborn.pid])

    guardian.close()

    assert stubborn.wait(PATIENCE_S) == -signal.SIGKILL
    stubborn.stdout.close()


def test_nothing_outlives_a_server_that_is_killed(sleeper) -> None:
    server = spawn(f"""
        import sys
        sys.path.insert(0, {str(Path(guardian_module.__file__).parents[4])!r})
        from qwen3_asr_realtime.engines.vllm.local.guardian import Guardian
        guardian = Guardian()
        guardian.watch([{sleeper.pid}])
        print(guardian._process.pid, flush=True)
        import time; time.sleep(1000)
    """)
    guard = ProcessIdentity.of(int(server.ready))

    server.kill()

    assert sleeper.wait(PATIENCE_S) == -signal.SIGTERM
    server.wait()
    server.stdout.close()
    assert ended(guard)


def test_a_process_that_took_over_a_number_is_left_alone(guardian, sleeper) -> None:
    now = ProcessIdentity.of(sleeper.pid)
    guardian._write(f"{now.pid} {now.started_at - 1}\n")

    guardian.close()

    assert sleeper.poll() is None


def test_a_process_that_has_ended_has_no_identity(sleeper) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity.runs

    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it stays as a zombie

    assert not identity.runs
    assert ProcessIdentity.of(sleeper.pid) is None


def test_a_guardian_that_is_gone_does_not_go_unnoticed(guardian, sleeper) -> None:
    guardian._process.kill()
    guardian._process.wait()

    with pytest.raises(OSError, match="Broken pipe"):
        guardian.watch([sleeper.pid])
