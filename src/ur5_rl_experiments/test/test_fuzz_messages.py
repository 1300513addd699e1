"""Mutations of messages, and that the account of a storm can find fault."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from ur5_rl_experiments.fuzz.mutation import Mutator
from ur5_rl_experiments.fuzz.seeds import Seeds
from ur5_rl_experiments.fuzz.storm import Account, Storm
from ur5_rl_experiments.fuzz.targets import NODES, Target, is_command

TOPICS = sorted({(t.topic, t.message_type) for n in NODES for t in n.targets}, key=str)
DRAWS = 300


@pytest.mark.parametrize(("topic", "message_type"), TOPICS)
def test_every_seed_survives_the_wire(topic, message_type):
    msg = Seeds().make(topic)
    assert deserialize_message(serialize_message(msg), message_type) == msg


def decoded(data, message_type):
    """Return the message of these bytes, None where they are none."""
    try:
        return deserialize_message(data, message_type)
    except Exception:
        return None


@pytest.mark.parametrize(("topic", "message_type"), TOPICS)
def test_nearly_every_mutation_differs_from_its_seed(topic, message_type):
    mutator, msg = Mutator(3), Seeds().make(topic)
    kept = copy.deepcopy(msg)
    fields = [mutator.mutated(msg) for _ in range(DRAWS)]
    wire = [decoded(mutator.mutated_bytes(msg), message_type) for _ in range(DRAWS)]
    assert sum(other != msg for other in fields) > 0.8 * DRAWS
    assert sum(other != msg for other in wire) > 0.6 * DRAWS
    assert wire.count(None) > 0
    assert msg == kept  # the seed itself is left alone


def test_the_same_seed_mutates_alike():
    msg = Seeds().make("joint_states")
    first, second = Mutator(7), Mutator(7)
    for _ in range(DRAWS):
        assert repr(first.mutated(msg)) == repr(second.mutated(msg))
        one, other = first.mutated_bytes(msg), second.mutated_bytes(msg)
        assert len(one) == len(other)


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({}, True),
        ({"velocity_rad_s": np.full(6, 1.4)}, True),
        ({"velocity_rad_s": np.full(6, 1.5)}, False),
        ({"velocity_rad_s": np.full(6, np.nan)}, False),
        ({"steady_ns": 0}, False),
        ({"sequence": 0}, False),
    ],
)
def test_what_the_robot_should_follow_is_left_out(change, moves):
    seeds = Seeds()
    msg = seeds.make("velocity_command")
    for name, value in change.items():
        setattr(msg, name, value)
    assert is_command(msg, seeds.known) is moves


def complaints(is_running=True, **figures):
    flawless = {
        "published": 1000, "valid": 200, "delivered": 1200, "undecodable": 9,
        "undecodable_counted": 9, "is_alive": True, "max_speed_rad_s": 0.0,
    }  # fmt: skip
    process = SimpleNamespace(
        is_alive=is_running,
        process=SimpleNamespace(returncode=-11),
        last_lines=lambda: "Segmentation fault",
    )
    target = Target("action", None, None)
    storm = Storm(target, process, None, Mutator(0), lambda: 0.0)
    return storm._complaints(Account("env_node", "action", **flawless | figures))


def test_fault_a_speed_that_nobody_saw_does_not_cost_the_report():
    unseen = Account("camera_node", "camera_fault", max_speed_rad_s=float("nan"))
    assert '"max_speed_rad_s": null' in json.dumps(unseen.as_dict(), allow_nan=False)


def test_a_flawless_account_passes():
    assert complaints() == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"is_running": False}, "ended with -11: Segmentation fault"),
        ({"is_alive": False}, "does not react"),
        ({"dropped": 25}, "25 messages never reached it"),
        ({"undecodable_counted": 8}, "9 were undecodable, it counted 8"),
        ({"max_speed_rad_s": 0.02}, "the robot moved at 0.020 rad/s"),
        ({"max_speed_rad_s": float("nan")}, "the robot moved at nan"),
    ],
)
def test_fault_whatever_misses_the_bar_is_told(figures, words):
    (complaint,) = complaints(**figures)
    assert words in complaint
