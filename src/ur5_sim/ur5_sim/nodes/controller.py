"""The virtual UR controller: a process that speaks the real robot's wire protocols.

Not a ROS node: what talks to it cannot tell it from a UR5. It reads the same parameter
files (`ur5_sim.core.config.ControllerConfig`) and keeps the same rules: exit code 0 when
asked to stop, 2 when the configuration or a port is wrong. Faults on demand:
`ur5_sim.core.controller.side_door`.
"""

import os
import signal
import sys
import time
from types import FrameType

from ur5_rl_ros.param_files import config_from_args
from ur5_rl_ros.signals import end_with_parent, stop_signals
from ur5_sim.core.config import ControllerConfig
from ur5_sim.nodes.controller_server import ControllerServer

EXIT_CONFIGURATION = 2


class StopFlag:
    """Raised by SIGINT, SIGTERM and SIGHUP."""

    def __init__(self) -> None:
        self._raised_s: float | None = None
        for number in stop_signals():
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._raised_s = self._raised_s or time.monotonic()

    def is_due(self, linger_s: float, is_used: bool) -> bool:
        """Return whether to stop now: at once if unused, else after `linger_s` [s]."""
        if self._raised_s is None:
            return False
        return not is_used or time.monotonic() - self._raised_s >= linger_s


def main() -> None:
    """Run until a signal."""
    stop = StopFlag()
    end_with_parent()
    config, server = _configured()
    with server:
        server.robot.log = _log
        _take_realtime_priority(config.realtime_priority)
        identity = server.robot.identity
        version = ".".join(map(str, identity.version))
        _log(f"UR5 {version} at {config.address}, {identity.frequency_hz} Hz")
        server.run(lambda: stop.is_due(config.linger_s, server.has_rtde_clients))


def _configured() -> tuple[ControllerConfig, ControllerServer]:
    """Return what the parameters ask for; exit with one line where that cannot be."""
    try:
        config = config_from_args(sys.argv[1:], "controller", ControllerConfig)
        return config, ControllerServer(config)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_CONFIGURATION)


def _take_realtime_priority(priority: int) -> None:
    if priority > 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except OSError as error:
            _log(f"no real-time priority: {error.strerror}; ordinary scheduling")


def _log(text: str) -> None:
    print(f"controller: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
