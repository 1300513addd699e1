"""The only place where a process starts and stops ROS.

Signals set a flag and nothing else: the context stays valid until the node has said its
last word (a final zero velocity, a checkpoint), then it is shut down here.
"""

import inspect
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ur5_rl_ros.deadline import NANOSECONDS
from ur5_rl_ros.heartbeat import Heartbeat
from ur5_rl_ros.intake import CountingExecutor
from ur5_rl_ros.signals import end_with_parent, stop_signals

EXIT_OK = 0
EXIT_CRASHED = 1  # an error of our own: a fresh process may go on
EXIT_CONFIGURATION = 2  # a parameter, file or device is wrong: starting again cannot help
EXIT_LINK_LOST = 3  # the other side went away: a fresh process may find it again

# A loop thread that wakes for its deadline must not wait 5 ms (the default) for the
# interpreter while the callback thread converts a message.
SWITCH_INTERVAL_S = 0.0005


class ConfigurationError(RuntimeError):
    """A parameter, file or device is wrong: starting again cannot help."""


class LastWordError(RuntimeError):
    """What a process should leave behind cannot be written, and could before."""


@contextmanager
def configuration() -> Iterator[None]:
    """Take a ValueError or OSError of the block for a `ConfigurationError`.

    Only for what still belongs to the start: later on such an error is one of our own.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from error


class LinkLostError(RuntimeError):
    """A device or server went away; a fresh process may reach it again."""


class Stop:
    """A flag that SIGINT, SIGTERM and SIGHUP raise; loops look at it, waits end with it.

    Each look is also a sign of the loop's life: see `last_round_ns`.
    """

    def __init__(self) -> None:
        self._requested = False
        self._round_ns = 0  # written by the loop's thread alone
        # No lock: a handler runs inside its own thread and would wait for it for ever.
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def install(self) -> "Stop":
        for number in stop_signals():
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.request()

    def request(self) -> None:
        self._requested = True
        os.eventfd_write(self._wake, 1)

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` [s]; return whether the process should stop."""
        if not self._requested:
            timeout_s = max(0.0, timeout_s)
            self._round_ns = time.monotonic_ns() + round(timeout_s * NANOSECONDS)
            select.select([self._wake], [], [], timeout_s)
        return self.requested

    @property
    def requested(self) -> bool:
        self._round_ns = time.monotonic_ns()
        return self._requested

    def last_round_ns(self, now_ns: int) -> int:
        """Return when the loop last looked here [ns]; `now_ns` before its first look.

        A loop in `wait` has come round for as long as it said that it would wait.
        """
        return min(now_ns, self._round_ns or now_ns)


class RunnableNode(Protocol):
    """A node whose `run` is the process's main thread until `stop` is raised."""

    def run(self, stop: Stop) -> None: ...
    def close(self) -> None: ...


def run(make_node: Callable[[], Node]) -> None:
    """Run one node until a signal or its parent's death: the body of every `main`.

    The death counts where `signals.py` says. Beside what the node does itself, its
    process beats (`heartbeat.py`).
    A node that only answers callbacks is spun in this thread. A node with a method
    `run(stop)` has this thread for its loop, and its callbacks run in one more thread.
    `close()`, where a node has it, is called while the context is still valid.
    Exits with 2 and one line where the node cannot be made (a ValueError or OSError) or
    says ConfigurationError, with 3 and one line when a link was lost, with 1 and one line
    at a LastWordError, and with 1 and a traceback on any other error.
    """
    stop = Stop().install()
    end_with_parent()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    code = EXIT_OK
    try:
        with configuration():
            node = make_node()
        _prepare_log()
        try:
            _spin(node, stop)
        finally:
            close = getattr(node, "close", None)
            if close is not None:
                close()
    except LinkLostError as error:
        code = _complain(str(error), EXIT_LINK_LOST)
    except ConfigurationError as error:
        code = _complain(str(error), EXIT_CONFIGURATION)
    except LastWordError as error:
        code = _complain(str(error), EXIT_CRASHED)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # shown here: the threads behind it may hang
        traceback.print_exc()
        code = EXIT_CRASHED
    finally:
        rclpy.try_shutdown()
    _leave(code)


def _prepare_log() -> None:
    """Let `inspect` index the modules now: rclpy asks it where each line was logged.

    The first look took 26 ms, 42 to 83 on a busy machine, of the loop that had a fault
    to tell.
    """
    inspect.getmodule(inspect.currentframe())


def _leave(code: int) -> NoReturn:
    """Exit; a failure without the destructors, which wait for threads that may hang."""
    if code != EXIT_OK:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _complain(text: str, code: int) -> int:
    print(f"error: {text}", file=sys.stderr, flush=True)
    return code


def _spin(node: Node, stop: Stop) -> None:
    loop = getattr(node, "run", None)
    Heartbeat(node, stop.last_round_ns if loop else lambda now_ns: now_ns)
    if loop is None:
        executor = CountingExecutor()
        executor.add_node(node)
        try:
            while not stop.requested:
                executor.spin_once(timeout_sec=0.05)
        finally:
            _end(executor, node)
        return
    with spinning_in_background(node, on_error=stop.request):
        loop(stop)


def _end(executor: CountingExecutor, node: Node) -> None:
    """Part a node from an executor that spins no more, and leave nothing to collect.

    One that was stopped between two callbacks refers to itself. Where the collector has
    to take it apart, rclpy may print a traceback about a handle that is gone already.
    """
    executor.remove_node(node)
    executor.shutdown(timeout_sec=0.0)


@contextmanager
def spinning_in_background(
    node: Node, on_error: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Answer the callbacks of `node` in one thread of its own.

    An error in a callback ends the thread, calls `on_error`, so that the loop of the
    block does not go on deaf, and is raised again at the end of the block.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    executor = CountingExecutor(context=node.context)
    executor.add_node(node)
    finished = threading.Event()
    errors: list[BaseException] = []

    def spin() -> None:
        try:
            while not finished.is_set():
                executor.spin_once(timeout_sec=0.05)
        except ExternalShutdownException:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the owner below
            errors.append(error)
            on_error()

    thread = threading.Thread(target=spin, name="callbacks")
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join(timeout=5.0)
        if not thread.is_alive():
            _end(executor, node)
    if errors:
        raise errors[0]
