"""DDS domains of this machine: two runs, tests or benches must not hear each other."""

import errno
import os
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


def claim_for_run(part: str, namespace: str = "") -> socket.socket:
    """Reserve the domain of this environment for one run, until the socket is closed.

    Two runs in one domain hear each other: a simulation would command the real arm. The
    claim holds where the loopback interface does: for all containers that share it.

    Args:
        part: Of a graph that this run is; different ones belong together.
        namespace: Of the graph; two of different ones in a domain do not meet.

    Raises:
        ValueError: another run has it, or ROS_DOMAIN_ID is no number.
    """
    domain = _domain_of(os.environ.get("ROS_DOMAIN_ID", ""))
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0ur5rl-run-{part}-{domain}/{namespace.strip('/')}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise ValueError(
            f"ROS domain {domain} is in use by another run on this machine: end it, or "
            f"set ROS_DOMAIN_ID"
        ) from None
    return claim


def profiles_variable() -> str:
    """Return the variable that names Fast DDS its profiles; Jazzy has the older one."""
    is_jazzy = os.environ.get("ROS_DISTRO") == "jazzy"
    return f"{'FASTRTPS' if is_jazzy else 'FASTDDS'}_DEFAULT_PROFILES_FILE"


def _domain_of(text: str) -> int:
    """Return the domain that ROS reads from `text`: also hexadecimal, 0 from nothing."""
    try:
        return int(text, 0) if text else 0
    except ValueError:
        raise ValueError(f"ROS_DOMAIN_ID must be a number, got '{text}'") from None
