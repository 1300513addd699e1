"""Distances of the arm from itself, against a search over all points of two lines."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ur5_rl_env.core.clearance import NEAR_M, Capsule, clearance, closest, contacts
from ur5_rl_env.core.kinematics import D_M, links_of
from ur5_rl_env.core.task import JOINT_LOWER_RAD, JOINT_UPPER_RAD, START_POSE_RAD

coordinates = st.floats(-0.5, 0.5)
points = st.tuples(coordinates, coordinates, coordinates)
joints = st.tuples(*[st.floats(-math.pi, math.pi)] * 6)

PARTS = np.linspace(0.0, 1.0, 41)
FOLDED = (math.pi / 2, -2.91, -2.94, 0.26, 2.72, 0.0)  # the hand in the upper arm


def searched(one, other):
    """Return the least distance between points of two lines [m], within a few mm."""
    a, b = (
        np.outer(1.0 - PARTS, line.start) + np.outer(PARTS, line.end)
        for line in (one, other)
    )
    return np.linalg.norm(a[:, None] - b[None], axis=2).min()


def bodies(q):
    """Return the lines of the arm, 3 points of space each, from their definition."""
    links = links_of(q)
    plane = {
        "shoulder": (0.0, D_M[0], 0.13585),
        "upper_elbow": (links.elbow_r, links.elbow_z, 0.13585),
        "elbow": (links.elbow_r, links.elbow_z, 0.01615),
        "wrist": (links.wrist_r, links.wrist_z, 0.01615),
        "wrist_2": (links.wrist_r, links.wrist_z, D_M[3]),
        "hand": (links.hand_r, links.hand_z, D_M[3]),
    }
    axis = np.array([links.axis_r, links.axis_z, links.axis_offset])
    middle, end = (np.array(plane["hand"]) + part * D_M[5] * axis for part in (0.5, 1.0))
    column = Capsule((0.0, 0.0, 0.0), (0.0, D_M[0], 0.0), 0.075, 0)
    upper_arm = Capsule(plane["shoulder"], plane["upper_elbow"], 0.060, 1)
    forearm = Capsule(plane["elbow"], plane["wrist"], 0.045, 2)
    wrist = Capsule(plane["wrist_2"], plane["hand"], 0.045, 3)
    tool = Capsule(tuple(middle), tuple(end), 0.050, 3)
    return [
        (column, wrist),
        (column, tool),
        (upper_arm, wrist),
        (upper_arm, tool),
        (forearm, tool),
    ]


@given(a=points, b=points, c=points, d=points)
def test_closest_points_are_those_that_a_search_finds(a, b, c, d):
    assume(math.dist(a, b) > 0.01 and math.dist(c, d) > 0.01)
    one, other = Capsule(a, b, 0.0, 0), Capsule(c, d, 0.0, 0)
    distance, at, part = closest(one, other)
    assert 0.0 <= at <= 1.0 and 0.0 <= part <= 1.0
    there = [np.array(line[0]) * (1 - p) + np.array(line[1]) * p
             for line, p in ((one, at), (other, part))]  # fmt: skip
    assert distance == pytest.approx(math.dist(*there), abs=1e-9)
    found = searched(one, other)
    assert found - 0.03 <= distance <= found + 1e-9


@settings(max_examples=300)
@given(q=joints)
def test_no_pair_that_is_near_is_left_out(q):
    """What a first look takes to be apart is apart."""
    gaps = [searched(*pair) - pair[0].radius_m - pair[1].radius_m for pair in bodies(q)]
    found = min(NEAR_M, *gaps)
    assert found - 0.02 <= clearance(links_of(q)) <= found + 1e-9


@settings(max_examples=300)
@given(q=joints)
def test_rows_are_the_derivative_of_the_gap(q):
    step_rad = 1e-6
    for index, contact in enumerate(contacts(links_of(q))):
        assume(contact.gap_m > -0.04)  # inside each other the lines may cross: a kink
        for joint in range(6):
            ahead, behind = list(q), list(q)
            ahead[joint] += step_rad
            behind[joint] -= step_rad
            gaps = [list(contacts(links_of(p))) for p in (ahead, behind)]
            assume(len(gaps[0]) == len(gaps[1]) == len(list(contacts(links_of(q)))))
            slope = (gaps[0][index].gap_m - gaps[1][index].gap_m) / (2 * step_rad)
            assert contact.row[joint] == pytest.approx(slope, abs=2e-3)


def test_start_pose_is_clear_of_itself():
    assert clearance(links_of(START_POSE_RAD)) == NEAR_M


def test_a_folded_arm_touches_itself_whatever_its_pan():
    gaps = [clearance(links_of((pan, *FOLDED[1:]))) for pan in (-2.0, 0.0, 1.5)]
    assert gaps == pytest.approx([gaps[0]] * 3)
    assert gaps[0] < 0.0


def test_in_the_joint_range_of_the_task_little_more_than_the_margin_is_ever_missing():
    """The joints keep the arm from itself, but for the tool beside the forearm."""
    random = np.random.default_rng(0)
    poses = random.uniform(JOINT_LOWER_RAD, JOINT_UPPER_RAD, (3000, 6))
    assert min(clearance(links_of(q)) for q in poses.tolist()) > 0.01
