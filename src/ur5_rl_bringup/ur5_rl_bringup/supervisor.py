"""Starts the graph's processes, keeps them running, and stops them in order.

Built on asyncio's subprocesses. Each child leads its own session, so that Ctrl-C reaches
this process alone and each child hears it once; each child is told by the kernel when
this process dies, so that none is left behind by a kill -9.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ur5_rl_bringup.child_log import ChildLog
from ur5_rl_bringup.core.lives import Lives, Outlook
from ur5_rl_bringup.ends import outlook_after
from ur5_rl_bringup.graph import OnExit, Process
from ur5_rl_bringup.nodes.terminal import tell
from ur5_rl_ros.process import EXIT_CONFIGURATION, EXIT_CRASHED, EXIT_OK
from ur5_rl_ros.signals import PR_SET_PDEATHSIG, stop_signals

STOP_S = 4.0  # for every process to say its last word; the promise is 5 s in all
QUIET_PREFIXES = ("[INFO]", "[DEBUG]")


@dataclass
class Child:
    """A process of the graph and its present incarnation. Owned by the event loop."""

    process: Process
    command: Sequence[str]
    environment: dict[str, str]
    log_path: Path
    running: asyncio.subprocess.Process | None = None
    lives: Lives = field(default_factory=Lives)


class Supervisor:
    """Runs children until one whose end is the run's end, a failure or a signal."""

    def __init__(self, children: Sequence[Child], *, verbose: bool) -> None:
        self._children = children
        self._verbose = verbose
        self._stopping = asyncio.Event()
        self._exit_code = EXIT_OK

    async def run(self) -> int:
        """Run the graph; return the exit code of the run."""
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._stop, EXIT_OK)
        tasks = [asyncio.create_task(self._keep(child)) for child in self._children]
        failed = asyncio.gather(*tasks)
        failed.add_done_callback(lambda _: self._stopping.set())
        await self._stopping.wait()
        await _interrupt(self._children, STOP_S)
        await asyncio.wait_for(failed, timeout=2.0)
        return self._exit_code

    def _stop(self, code: int) -> None:
        if not self._stopping.is_set():
            self._exit_code = code
            self._stopping.set()

    async def _keep(self, child: Child) -> None:
        """Start a child again and again, as its process says, until all is stopped."""
        while not self._stopping.is_set():
            started_s = time.monotonic()
            code = await self._run_once(child)
            if self._stopping.is_set():
                self._note_last_word(child, code)
                return
            await self._pause(self._decide(child, code, time.monotonic() - started_s))

    async def _pause(self, duration_s: float) -> None:
        """Wait for so long, or until all is stopped."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), duration_s)

    def _note_last_word(self, child: Child, code: int) -> None:
        """Let the run fail where its face says so at the end that a signal asked for."""
        is_face = child.process.on_exit is OnExit.SHUTDOWN
        is_well = code in (EXIT_OK, -signal.SIGTERM)  # the latter: it had only begun
        if is_face and not is_well and self._exit_code == EXIT_OK:
            self._exit_code = EXIT_CRASHED

    async def _run_once(self, child: Child) -> int:
        child.log_path.parent.mkdir(parents=True, exist_ok=True)
        child.running = await asyncio.create_subprocess_exec(
            *child.command,
            env=child.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_prepare_child(child.process.nice),
        )
        if self._stopping.is_set():  # asked to stop while this one was being started
            _send(child.running.pid, signal.SIGTERM)
        await self._show_output(child)
        return await child.running.wait()

    def _decide(self, child: Child, code: int, lived_s: float) -> float:
        """Stop the run, or return after how long a fresh process takes over [s]."""
        name, now_s = child.process.name, time.monotonic()
        if child.process.on_exit is OnExit.SHUTDOWN:
            self._stop(code if code in (EXIT_OK, EXIT_CONFIGURATION) else EXIT_CRASHED)
            return 0.0
        outlook = outlook_after(child.lives, code, lived_s=lived_s, now_s=now_s)
        if outlook.goes_on:
            tell(f"[{name}] {_how_it_ended(code)}; {outlook.value}")
        elif outlook is Outlook.WRONG:  # it has said itself what is wrong
            self._stop(EXIT_CONFIGURATION)
        else:
            tell(f"[{name}] {outlook.value}")
            self._stop(EXIT_OK if outlook is Outlook.DONE else EXIT_CRASHED)
        return outlook.delay_s

    async def _show_output(self, child: Child) -> None:
        """Copy a child's lines to its log, and to the console what a person needs."""
        assert child.running is not None and child.running.stdout is not None  # noqa: PT018
        is_face = child.process.on_exit is OnExit.SHUTDOWN
        with contextlib.closing(ChildLog(child.log_path)) as log:
            while line := await _line(child.running.stdout):
                if complaint := log.write(line):
                    tell(f"[{child.process.name}] {complaint}")
                text = line.decode(errors="replace").rstrip("\n")
                if self._verbose or not text.startswith(QUIET_PREFIXES):
                    tell(text if is_face else f"[{child.process.name}] {text}")


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line; one that is too long comes in pieces, none is lost."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)


async def _interrupt(children: Sequence[Child], timeout_s: float) -> None:
    """Ask children to stop; after `timeout_s` [s] kill what is left."""
    running = [c.running for c in children if c.running and c.running.returncode is None]
    for process in running:
        # Not SIGINT: it would meet a process that still imports with a KeyboardInterrupt.
        _send(process.pid, signal.SIGTERM)
    waits = [asyncio.create_task(process.wait()) for process in running]
    if not waits:
        return
    await asyncio.wait(waits, timeout=timeout_s)
    for child in children:
        if child.running and child.running.returncode is None:
            tell(f"[{child.process.name}] did not stop in {timeout_s} s; killed")
            _send(child.running.pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}"


def _prepare_child(nice: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        with contextlib.suppress(PermissionError):  # first in line only where allowed
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        # With autogroups the kernel weighs sessions, and each child leads one.
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
            group.write(str(nice))

    return prepare
