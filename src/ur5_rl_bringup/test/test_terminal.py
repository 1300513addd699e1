"""What reaches a terminal."""

import os
import subprocess
import sys

from ur5_rl_bringup.nodes.terminal import say


def test_a_line_is_said_as_it_is(capsys):
    say("| dry | 3 s | Grüße, 0.5 m")
    assert capsys.readouterr().out == "| dry | 3 s | Grüße, 0.5 m\n"


def test_fault_nothing_that_a_terminal_would_obey_reaches_it(capsys):
    say("\x1b[2J a\r\n| wait | b\0 \x9b31m \u202e \ud800")
    assert capsys.readouterr().out == "?[2J a??| wait | b? ?31m ? ?\n"


def test_fault_a_terminal_that_was_closed_does_not_end_who_speaks():
    program = (
        "import sys; from ur5_rl_bringup.nodes.terminal import say;"
        "say('lost'); say('lost, too'); print('goes on', file=sys.stderr)"
    )
    listener, terminal = os.pipe()
    os.close(listener)
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(terminal)
    assert (done.returncode, done.stderr) == (0, "goes on\n")
