"""What holds for the tests of every package, in whatever order they are collected."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings

# No deadline: a shared machine pauses. A law that needs more examples asks for them.
settings.register_profile("shared machine", deadline=None, max_examples=50)
settings.load_profile("shared machine")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let `--reruns` hold for tests in real time alone: any other fails for a reason."""
    if not config.getoption("reruns", None):
        return
    for item in items:
        if item.get_closest_marker("realtime") is None:
            item.add_marker(pytest.mark.flaky(reruns=0))


@pytest.fixture
def link() -> Iterator[Any]:
    """Join two networks of this machine, where it lets us have them."""
    # Here, because most packages are tested without that one.
    from ur5_rl_experiments.faults.link_emulator import emulated_link  # noqa: PLC0415

    with ExitStack() as stack:
        try:
            link = stack.enter_context(emulated_link())
        except OSError as error:
            if not _is_not_given(error):
                raise
            pytest.skip(str(error))
        yield link


def _is_not_given(error: OSError) -> bool:
    """Whether a machine lacks the rights or the tools for networks of its own."""
    is_refused = isinstance(error, PermissionError) and "unshare" in str(error)
    is_missing = isinstance(error, FileNotFoundError)
    return is_refused or (is_missing and error.filename in ("/dev/net/tun", "ip"))
