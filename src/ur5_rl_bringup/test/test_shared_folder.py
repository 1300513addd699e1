"""The folder that the processes of a simulation share."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
from ur5_rl_bringup.shared_folder import shared_folder
folder = shared_folder()
(folder / "screen").write_bytes(b"pixels")
print(folder)
"""


def test_it_ends_with_the_process_that_made_it():
    command = [sys.executable, "-c", CODE]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    folder = Path(output.strip())
    assert not folder.exists()
    assert folder.parent.is_dir()


def test_it_is_in_memory_where_there_is_such_a_place():
    code = CODE.replace("print(folder)", "print(folder.parent)")
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert (output.strip() == "/dev/shm") == os.path.isdir("/dev/shm")
