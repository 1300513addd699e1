"""Kinematics against the Denavit-Hartenberg product, one matrix per joint."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.kinematics import (
    A_M,
    ALPHA_RAD,
    D_M,
    elbow_rows,
    links_of,
    position_jacobian,
    position_of_tool0,
    transform_of_tool0,
)
from ur5_rl_env.core.task import BOX_LOWER_M, BOX_UPPER_M, START_POSE_RAD

joints = st.tuples(*[st.floats(-2 * math.pi, 2 * math.pi)] * 6)


def link(theta, a, d, alpha):
    """Return the transform of one Denavit-Hartenberg row, as in any textbook."""
    c, s, ca, sa = math.cos(theta), math.sin(theta), math.cos(alpha), math.sin(alpha)
    return np.array(
        [
            [c, -s * ca, s * sa, a * c],
            [s, c * ca, -c * sa, a * s],
            [0, sa, ca, d],
            [0, 0, 0, 1],
        ]
    )


def denavit_hartenberg_product(q):
    """Return tool0 in `base_link`: half a turn about z, then link by link."""
    transform = np.diag([-1.0, -1.0, 1.0, 1.0])
    for row in zip(q, A_M, D_M, ALPHA_RAD, strict=True):
        transform = transform @ link(*row)
    return transform


@given(q=joints)
def test_closed_form_equals_the_product_of_the_links(q):
    np.testing.assert_allclose(
        transform_of_tool0(q), denavit_hartenberg_product(q), atol=1e-12
    )


@given(q=joints)
def test_rotation_is_a_rotation(q):
    rotation = transform_of_tool0(q)[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@given(q=joints)
def test_jacobian_equals_central_differences(q):
    step_rad = 1e-5
    for joint, column in enumerate(position_jacobian(q).T):
        ahead, behind = list(q), list(q)
        ahead[joint] += step_rad
        behind[joint] -= step_rad
        difference = np.subtract(position_of_tool0(ahead), position_of_tool0(behind))
        np.testing.assert_allclose(column, difference / (2 * step_rad), atol=1e-8)


@given(q=joints)
def test_links_are_where_the_product_of_the_links_has_them(q):
    links = links_of(q)
    assert links.tool0 == pytest.approx(position_of_tool0(q), abs=1e-12)
    transform, origins = np.diag([-1.0, -1.0, 1.0, 1.0]), []
    for row in zip(q, A_M, D_M, ALPHA_RAD, strict=True):
        transform = transform @ link(*row)
        origins.append(transform[:3, 3])
    beside = np.array([-math.sin(q[0]), math.cos(q[0]), 0.0])  # across the arm's plane
    np.testing.assert_allclose(
        links.elbow, origins[1] + 0.01615 * beside, atol=1e-12
    )  # the elbow's frame of ur_description: 0.13585 - 0.1197 beside the plane
    assert links.wrist_z == pytest.approx(origins[2][2], abs=1e-12)
    assert links.hand_z == pytest.approx(origins[4][2], abs=1e-12)


@given(q=joints)
def test_rows_of_the_elbow_equal_central_differences(q):
    step_rad = 1e-5
    for joint, column in enumerate(np.transpose(elbow_rows(links_of(q)))):
        ahead, behind = list(q), list(q)
        ahead[joint] += step_rad
        behind[joint] -= step_rad
        difference = np.subtract(links_of(ahead).elbow, links_of(behind).elbow)
        np.testing.assert_allclose(column, difference / (2 * step_rad), atol=1e-8)


def test_stretched_arm_lies_where_the_data_sheet_says():
    # All joints zero: stretched out along -x of `base`, which is +x of `base_link`.
    x, y, z = position_of_tool0([0.0] * 6)
    assert (x, y) == pytest.approx((0.425 + 0.39225, 0.10915 + 0.0823))
    assert z == pytest.approx(0.089159 - 0.09465)


def test_start_pose_lies_well_inside_the_box():
    position = position_of_tool0(START_POSE_RAD)
    assert position == pytest.approx((-0.1091, 0.2957, 0.6094), abs=2e-4)
    for value, lower, upper in zip(position, BOX_LOWER_M, BOX_UPPER_M, strict=True):
        assert lower + 0.15 < value < upper - 0.15
