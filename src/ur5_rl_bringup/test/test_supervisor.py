"""The supervisor with small Python children in the place of nodes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.realtime

RUNNER = """
import asyncio, sys
from pathlib import Path
from ur5_rl_bringup.core import lives
from ur5_rl_bringup.graph import OnExit, Process
from ur5_rl_bringup.supervisor import Child, Supervisor

def child(name, code, **more):
    process = Process(name=name, package="p", executable="e", **more)
    log = Path(sys.argv[1]) / f"{name}.log"
    return Child(process, (sys.executable, "-c", code), {}, log)

lives.RAN_WELL_S, lives.RETRY_DELAY_S = 0.5, float(sys.argv[2])
children = [CHILDREN]
sys.exit(asyncio.run(Supervisor(children, verbose=False).run()))
"""
FACE = "on_exit=OnExit.SHUTDOWN"
# Says its pid, then sleeps until it is asked to stop and leaves with 0.
GOOD = (
    "import os,signal,sys,time;"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    "print('pid', os.getpid(), flush=True);"
    "time.sleep(60)"
)


def start(tmp_path: Path, *children: str, retry_delay_s=0.05) -> subprocess.Popen:
    code = RUNNER.replace("CHILDREN", ", ".join(children))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(retry_delay_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def child(name: str, code: str, more: str = "") -> str:
    return f"child({name!r}, {code!r}, {more})"


def pid_of(log: Path, count: int = 1, timeout_s: float = 10.0) -> int:
    """Wait until a child has said its pid for the `count`-th time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        lines = log.read_text().splitlines() if log.exists() else []
        pids = [int(line.split()[1]) for line in lines if line.startswith("pid")]
        if len(pids) >= count:
            return pids[count - 1]
        time.sleep(0.01)
    raise AssertionError(f"{log} never held {count} pids")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def finish(runner: subprocess.Popen, timeout_s: float = 8.0) -> tuple[int, str]:
    output, _ = runner.communicate(timeout=timeout_s)
    return runner.returncode, output


def test_the_run_ends_with_its_face(tmp_path):
    ends = f"import os\nwhile not os.path.exists('{tmp_path}/go'): pass\nprint('done')"
    runner = start(tmp_path, child("face", ends, FACE), child("arm", GOOD))
    pid = pid_of(tmp_path / "arm.log")
    (tmp_path / "go").touch()
    code, output = finish(runner)
    assert code == 0
    assert "done" in output.splitlines()  # the face speaks without a prefix
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_child_and_exits_with_0(tmp_path, number):
    runner = start(tmp_path, child("arm", GOOD), child("face", GOOD, FACE))
    pids = [pid_of(tmp_path / f"{name}.log") for name in ("arm", "face")]
    runner.send_signal(number)
    assert finish(runner)[0] == 0
    assert not any(is_alive(pid) for pid in pids)


@pytest.mark.parametrize(("name", "expected"), [("face", 1), ("arm", 0)])
def test_fault_a_face_whose_last_word_is_bad_fails_the_run(tmp_path, name, expected):
    bad = GOOD.replace("sys.exit(0)", "sys.exit(1)")
    codes = {"arm": GOOD, "face": GOOD} | {name: bad}
    children = [child("arm", codes["arm"]), child("face", codes["face"], FACE)]
    runner = start(tmp_path, *children)
    for log in ("arm.log", "face.log"):
        pid_of(tmp_path / log)
    runner.send_signal(signal.SIGINT)
    assert finish(runner)[0] == expected


def test_fault_a_killed_child_is_replaced(tmp_path):
    runner = start(tmp_path, child("arm", GOOD))
    first = pid_of(tmp_path / "arm.log")
    os.kill(first, signal.SIGKILL)
    second = pid_of(tmp_path / "arm.log", count=2)
    assert second != first
    runner.send_signal(signal.SIGINT)
    code, output = finish(runner)
    assert code == 0
    assert "[arm] was killed by SIGKILL; starting it again" in output


def test_fault_a_child_that_cannot_run_ends_the_run(tmp_path, monkeypatch):
    runner = start(tmp_path, child("arm", "raise SystemExit(3)"), child("env", GOOD))
    code, output = finish(runner, timeout_s=20.0)
    assert code == 1
    assert "[arm] ended 6 times in a minute; giving up" in output
    assert not is_alive(pid_of(tmp_path / "env.log"))


def test_fault_a_configuration_error_ends_the_run_at_once(tmp_path):
    complains = "import sys; print('error: no such camera', file=sys.stderr); sys.exit(2)"
    runner = start(tmp_path, child("camera", complains), child("env", GOOD))
    code, output = finish(runner)
    assert code == 2
    said = [line for line in output.splitlines() if "pid" not in line]
    assert said == ["[camera] error: no such camera"]


def losing_its_robot(tmp_path: Path, tries: int) -> str:
    """Live for a second and lose the link; find it again after so many tries."""
    return f"""
import sys, time
from pathlib import Path
lives = Path({str(tmp_path / "lives")!r})
lives.open("a").write("x")
life = len(lives.read_text())
if life == 1:
    time.sleep(1.0)
    sys.exit(3)
if life <= 1 + {tries}:
    print("error: robot does not answer")
    sys.exit(2)
{GOOD}"""


def test_fault_a_robot_that_is_away_for_long_does_not_end_the_run(tmp_path):
    code = losing_its_robot(tmp_path, tries=8)
    runner = start(tmp_path, child("arm", code), child("env", GOOD))
    pid_of(tmp_path / "arm.log", timeout_s=30.0)
    assert is_alive(pid_of(tmp_path / "env.log"))
    runner.send_signal(signal.SIGINT)
    code, output = finish(runner)
    assert code == 0
    assert output.count("[arm] ended with exit code 2; what it needs is gone: try") == 8


def test_a_run_ends_at_once_while_a_child_waits_for_its_next_try(tmp_path):
    code = losing_its_robot(tmp_path, tries=8)
    runner = start(tmp_path, child("arm", code), retry_delay_s=60.0)
    log, deadline = tmp_path / "arm.log", time.monotonic() + 20.0
    while not log.exists() or "does not answer" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    runner.send_signal(signal.SIGINT)
    assert finish(runner)[0] == 0


def test_fault_a_deaf_child_is_killed_in_time(tmp_path):
    deaf = GOOD.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
    runner = start(tmp_path, child("learner", deaf))
    pid = pid_of(tmp_path / "learner.log")
    started = time.monotonic()
    runner.send_signal(signal.SIGINT)
    code, output = finish(runner)
    assert code == 0
    assert time.monotonic() - started < 5.5
    assert "[learner] did not stop in" in output
    assert not is_alive(pid)


def test_fault_a_face_that_had_to_be_killed_fails_the_run(tmp_path):
    deaf = GOOD.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
    runner = start(tmp_path, child("face", deaf, FACE))
    pid_of(tmp_path / "face.log")
    runner.send_signal(signal.SIGINT)
    assert finish(runner)[0] == 1


def test_fault_a_terminal_that_is_closed_stops_the_run_in_order(tmp_path):
    last_word = "print('last word', flush=True), sys.exit(0)"
    child_code = GOOD.replace("lambda *_: sys.exit(0)", f"lambda *_: ({last_word})")
    runner = start(tmp_path, child("arm", child_code), child("face", GOOD, FACE))
    pids = [pid_of(tmp_path / f"{name}.log") for name in ("arm", "face")]
    runner.stdout.close()
    runner.send_signal(signal.SIGHUP)
    assert runner.wait(timeout=10.0) == 0
    assert "last word" in (tmp_path / "arm.log").read_text()
    assert not any(is_alive(pid) for pid in pids)


def test_fault_children_do_not_outlive_a_killed_supervisor(tmp_path):
    runner = start(tmp_path, child("arm", GOOD))
    pid = pid_of(tmp_path / "arm.log")
    runner.kill()
    runner.wait(timeout=5.0)
    deadline = time.monotonic() + 5.0
    while is_alive(pid):
        assert time.monotonic() < deadline, "an orphan is left"
        time.sleep(0.01)


def test_informational_lines_go_to_the_log_alone(tmp_path):
    talks = "print('[INFO] hello'); print('[WARN] careful'); print('x' * 200_000)"
    runner = start(tmp_path, child("env", talks, FACE))
    _, output = finish(runner)
    assert "[INFO] hello" not in output
    assert "[WARN] careful" in output
    log = (tmp_path / "env.log").read_text()
    assert "[INFO] hello" in log
    assert log.count("x") == 200_000  # a long line is not lost


def test_a_childs_priority_holds_among_sessions(tmp_path):
    group = Path("/proc/self/autogroup")
    shows = (
        "import os, pathlib; group = pathlib.Path('/proc/self/autogroup'); "
        "print(os.nice(0), group.read_text() if group.exists() else '')"
    )
    runner = start(tmp_path, child("face", shows, f"nice=7, {FACE}"))
    _, output = finish(runner)
    assert output.startswith("7 ")
    if not group.exists():
        pytest.skip("this kernel groups no sessions: only the child's own priority holds")
    assert "nice 7" in output
