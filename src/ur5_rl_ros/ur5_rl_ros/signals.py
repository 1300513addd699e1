"""What asks a process of the graph to end: a person, a closed terminal, a dead parent."""

import ctypes
import os
import select
import signal

PARENT = "UR5RL_PARENT"  # variable: id of the process whose death is a request to stop
PR_SET_PDEATHSIG = 1


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask for a stop; not SIGHUP where it is ignored (nohup)."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


def end_with_parent() -> None:
    """Let the kernel send SIGTERM once the process that `PARENT` names has died.

    Does nothing without that variable. To be called when SIGTERM has its handler.
    """
    parent = os.environ.get(PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if _has_ended(int(parent)):  # before the kernel was asked
        signal.raise_signal(signal.SIGTERM)


def _has_ended(pid: int) -> bool:
    """Return whether a process has ended, also where nobody has waited for it yet."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 0.0)[0])
    finally:
        os.close(descriptor)
