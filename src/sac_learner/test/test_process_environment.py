import os
import subprocess
import sys

from sac_learner.core.process_environment import MALLOC_ENVIRONMENT, is_tuned

PROGRAM = """
import os
from sac_learner.core.process_environment import is_tuned, restart_with_allocator
print("started", flush=True)
restart_with_allocator(["-c", os.environ["PROGRAM"]])
print("works", is_tuned(os.environ))
"""


def run(**variables):
    environment = {k: v for k, v in os.environ.items() if k not in MALLOC_ENVIRONMENT}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
        env=environment | {"PROGRAM": PROGRAM} | variables, timeout=60,
    )  # fmt: skip
    return result.stdout.split("\n")[:-1]


def test_a_program_restarts_itself_once_with_the_settings():
    assert run() == ["started", "started", "works True"]


def test_a_program_that_has_the_settings_goes_on():
    assert run(**MALLOC_ENVIRONMENT) == ["started", "works True"]


def test_other_values_are_not_ours():
    assert not is_tuned(dict(MALLOC_ENVIRONMENT) | {"MALLOC_TOP_PAD_": "1"})
    assert not is_tuned({})
