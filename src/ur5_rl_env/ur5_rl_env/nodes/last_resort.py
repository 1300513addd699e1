"""The end of a process that hangs inside a C++ call: the kernel's, who waits for nobody.

ur_rtde may hang for ever in a constructor, in `stopScript` or on a lost link, also while
it holds Python's lock, where no handler of ours would run. The robot's own watchdog has
stopped the arm long before; a fresh process then takes over. There is one timer in a
process, of the loop's thread, which sets it anew in each cycle.
"""

import signal

CONNECT_S = 10.0  # for an interface of ur_rtde and its program
SWITCH_ON_S = 40.0  # for the arm, brakes included
CYCLE_S = 3.0  # of the loop
END_S = 2.0  # of the control program, and of this process


def end_process_in(seconds: float) -> None:
    """End this process by SIGALRM after so long, unless called again before."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
