"""Claims on DDS domains of this machine."""

import os
import subprocess
import sys

import pytest

from ur5_rl_ros.domain import _domain_of, claim_for_run, claimed_domain

IN_USE = "is in use by another run on this machine: end it, or set ROS_DOMAIN_ID"


@pytest.fixture
def domain(ros_domain, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(ros_domain))
    return ros_domain


def test_two_tests_get_two_domains():
    with claimed_domain() as one, claimed_domain() as other:
        assert one != other


def test_fault_a_second_run_in_a_domain_is_refused(domain):
    with (
        claim_for_run("robot"),
        pytest.raises(ValueError, match=f"^ROS domain {domain} {IN_USE}$"),
    ):
        claim_for_run("robot")
    claim_for_run("robot").close()  # it has ended


CLAIMS = """
from ur5_rl_ros.domain import claim_for_run
claim_for_run("robot").detach()
print("claimed", flush=True)
input()
"""


def test_fault_a_run_of_another_process_is_seen_until_its_end(domain):
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "ROS_DOMAIN_ID": hex(domain)},
    ) as other:
        assert other.stdout.readline() == b"claimed\n"
        with pytest.raises(ValueError, match=IN_USE):
            claim_for_run("robot")
        other.kill()
    claim_for_run("robot").close()


def test_other_parts_and_namespaces_of_a_domain_are_free(domain):
    with (
        claim_for_run("robot"),
        claim_for_run("learner"),
        claim_for_run("robot", "/left"),
        pytest.raises(ValueError, match=IN_USE),
    ):
        claim_for_run("robot", "left/")


@pytest.mark.parametrize("text", ["", "0", "0x0"])
def test_the_domain_is_read_as_ros_reads_it(text):
    assert _domain_of(text) == 0


def test_fault_a_domain_that_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "lab")
    with pytest.raises(ValueError, match="ROS_DOMAIN_ID must be a number, got 'lab'"):
        claim_for_run("robot")
