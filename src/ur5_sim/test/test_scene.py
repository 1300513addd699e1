"""The room's geometry: numbers by hand, and an independent ray caster."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ur5_rl_env.core.kinematics import transform_of_tool0
from ur5_rl_env.core.task import JOINT_LOWER_RAD, JOINT_UPPER_RAD, START_POSE_RAD
from ur5_sim.core.painting import NEAR_M, box_around, clip_near
from ur5_sim.core.scene import Pinhole, Scene, View, plane, view_from

SCENE = Scene()
LENS = Pinhole(160, 90, 60.0)
poses = st.tuples(*map(st.floats, JOINT_LOWER_RAD, JOINT_UPPER_RAD))


def start_view() -> View:
    return view_from(START_POSE_RAD, SCENE.camera_mount_m, LENS.matrix)


def seen_at(view, point):
    x, y, depth = view.project(np.array([point]))[0]
    return x / depth, y / depth, depth


def test_the_lens_by_hand():
    assert LENS.focal_px == pytest.approx(80 / math.tan(math.radians(30)))  # 138.6 px
    assert Pinhole(320, 180, 60.0).focal_px == pytest.approx(2 * LENS.focal_px)
    assert LENS.matrix[:2, 2] == pytest.approx((79.5, 44.5))


def test_the_start_pose_looks_straight_at_the_middle_of_the_screen():
    view = start_view()
    assert view.position == pytest.approx((-0.109, 0.316, 0.654), abs=2e-3)
    x, y, depth = seen_at(view, SCENE.screen_centre_m)
    assert (x, y) == pytest.approx((79.5, 44.5), abs=0.2)
    assert depth == pytest.approx(0.634, abs=1e-3)


def test_right_is_right_and_up_is_up():
    view = start_view()
    x0, y0, _ = seen_at(view, SCENE.screen_centre_m)
    x, y, z = SCENE.screen_centre_m
    assert seen_at(view, (x + 0.1, y, z))[0] > x0 + 10
    assert seen_at(view, (x, y, z + 0.1))[1] < y0 - 10


def test_pixels_of_the_screen_by_hand():
    screen = SCENE.screen(640, 360)
    left, right = -0.109 - 0.531 / 2, -0.109 + 0.531 / 2
    top = 0.654 + 0.299 / 2
    # The middle of the first pixel is half a pixel inside the corner.
    assert screen @ (-0.5, -0.5, 1.0) == pytest.approx((left, 0.95, top))
    assert screen @ (639.5, -0.5, 1.0) == pytest.approx((right, 0.95, top))
    corners = SCENE.screen_corners(0.02)
    assert corners[0] == pytest.approx((left - 0.02, 0.95, top + 0.02))


def cast(q, lens, x, y, plane_y):
    """Where the ray of an image pixel meets y = plane_y, or None; by other means."""
    base_t_tool0 = transform_of_tool0(q)
    camera = base_t_tool0 @ (*SCENE.camera_mount_m, 1.0)
    u = (x - (lens.width_px - 1) / 2) / lens.focal_px
    v = (y - (lens.height_px - 1) / 2) / lens.focal_px
    ray = base_t_tool0[:3, :3] @ (-u, -v, 1.0)  # image right is -x of tool0, down is -y
    if ray[1] <= 1e-9:
        return None
    return camera[:3] + ray * (plane_y - camera[1]) / ray[1]


@settings(deadline=None, max_examples=200)
@given(q=poses, x=st.floats(0.0, 159.0), y=st.floats(0.0, 89.0))
def test_the_homography_is_what_rays_say(q, x, y):
    point = cast(q, LENS, x, y, 0.95)
    if point is None or np.abs(point).max() > 50.0:
        return
    view = view_from(q, SCENE.camera_mount_m, LENS.matrix)
    if view.position[1] > 0.94:
        return
    to_image = view.homography(SCENE.screen(640, 360))
    column = (point[0] - -0.109) / 0.531 * 640 + 319.5
    row = (0.654 - point[2]) / 0.299 * 360 + 179.5
    seen_x, seen_y, depth = to_image @ (column, row, 1.0)
    assert depth > 0.0
    assert (seen_x / depth, seen_y / depth) == pytest.approx((x, y), abs=1e-6)


@settings(deadline=None)
@given(q=poses, left=st.integers(0, 100), top=st.integers(0, 60))
def test_a_part_of_the_view_is_the_view_shifted(q, left, top):
    view = view_from(q, SCENE.camera_mount_m, LENS.matrix)
    x, y, depth = seen_at(view, (0.1, 1.2, 0.4))
    if abs(depth) > 0.01:
        part = view.shifted(left, top)
        assert seen_at(part, (0.1, 1.2, 0.4))[:2] == pytest.approx(
            (x - left, y - top), rel=1e-6
        )


def test_a_scaled_view_keeps_the_edges_of_the_image():
    half = start_view().scaled(0.5)
    view = view_from(START_POSE_RAD, SCENE.camera_mount_m, Pinhole(80, 45, 60.0).matrix)
    assert half.projection == pytest.approx(view.projection)


@settings(deadline=None)
@given(depths=st.lists(st.floats(-2.0, 2.0), min_size=4, max_size=4))
def test_what_is_clipped_lies_before_the_camera(depths):
    corners = np.array([(-1, 1, 0), (1, 1, 0), (1, -1, 0), (-1, -1, 0)], float)
    corners[:, 2] = depths
    clipped = clip_near(corners)
    assert (clipped[:, 2] >= NEAR_M - 1e-9).all()
    if min(depths) >= NEAR_M:
        np.testing.assert_array_equal(clipped, corners)
    if max(depths) < NEAR_M:
        assert len(clipped) == 0


def test_a_box_holds_its_corners_and_ends_at_the_image():
    corners = np.array([(10.2, -5.0), (30.7, 5.0), (200.0, 20.9)])
    assert box_around(corners, 160, 90) == (10, 0, 160, 22)


def test_a_plane_of_one_pixel_is_its_centre():
    assert plane((1.0, 2.0, 3.0), (0.5, 0.5), (1, 1)) @ (0, 0, 1) == pytest.approx(
        (1.0, 2.0, 3.0)
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("screen_centre_m", (0.0, 1.0)),
        ("camera_mount_m", (0.0, math.nan, 0.0)),
        ("screen_width_m", 0.0),
        ("screen_height_m", math.inf),
        ("bezel_m", -0.1),
        ("wall_y_m", 0.9),
        ("wall_y_m", math.inf),
    ],
)
def test_fault_a_scene_that_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        Scene(**{field: value})
