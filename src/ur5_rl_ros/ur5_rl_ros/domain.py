"""DDS domains of this machine, so that two tests or benches never hear each other."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_DOMAIN = 10
NUM_DOMAINS = 90  # 10..99: below the ports that Linux hands out by itself


@contextmanager
def claimed_domain() -> Iterator[int]:
    """Reserve a domain for the block; whoever asks by this function gets another.

    Raises:
        RuntimeError: all are taken.
    """
    for domain in range(FIRST_DOMAIN, FIRST_DOMAIN + NUM_DOMAINS):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f"\0ur5rl-test-domain-{domain}")  # vanishes with the process
            except OSError:
                continue
            yield domain
            return
    raise RuntimeError("no free ROS domain on this machine")
