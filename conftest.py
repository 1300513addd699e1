"""What holds for the tests of every package, in whatever order they are collected."""

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
