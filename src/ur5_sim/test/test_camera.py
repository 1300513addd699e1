"""What the camera sees, against rays, against geometry, and against the mask's limits."""

import math
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_display.core.drawing import Canvas
from ur5_rl_env.core.kinematics import position_of_tool0, transform_of_tool0
from ur5_rl_env.core.reward import mask_pixels
from ur5_rl_env.core.task import JOINT_LOWER_RAD, JOINT_UPPER_RAD, START_POSE_RAD
from ur5_sim.core.camera import BEYOND_LEVEL, BEZEL_BGR, Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.scene import Scene

SCENE = Scene()
SIZES = [(160, 90), (320, 180), (80, 45)]
poses = st.tuples(*map(st.floats, JOINT_LOWER_RAD, JOINT_UPPER_RAD))


def near_pose(distance_m=0.30):
    """Return the start pose moved straight ahead: Newton steps, wrist kept level."""
    q = np.array(START_POSE_RAD)
    goal = np.array([*position_of_tool0(q)])
    goal[1] = 0.95 - distance_m - SCENE.camera_mount_m[2]
    for _ in range(50):
        error = (goal - position_of_tool0(q))[1:]
        columns = []
        for joint in (1, 2):
            moved = q.copy()
            moved[joint] += 1e-6
            moved[3] -= 1e-6
            columns.append(
                (np.array(position_of_tool0(moved)) - position_of_tool0(q))[1:] / 1e-6
            )
        step = np.linalg.solve(np.transpose(columns), error)
        q[1:3] += step
        q[3] -= step.sum()
    assert np.abs(error).max() < 1e-6
    return q


def screen_with(x_units=80.0, y_units=45.0, width=640, height=360):
    canvas = Canvas(np.zeros((height, width, 4), np.uint8))
    canvas.draw(x_units, y_units, 7.0)
    return canvas.pixels


def ideal(width=160, height=90, **changed):
    return CameraConfig(width_px=width, height_px=height, noise_sigma=0.0, **changed)


def centroid(frame):
    """Return x, y of the red dot [px], weighted by how red each pixel is."""
    red = np.clip(frame[..., 2].astype(float) - frame[..., 1], 0, None)
    red[red < 30] = 0
    rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
    return (red * columns).sum() / red.sum(), (red * rows).sum() / red.sum()


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    ("distance_m", "fewest", "most"), [(None, 80, 88), (0.3, 360, 378)]
)
def test_the_mask_has_the_pixels_of_the_task(width, height, distance_m, fewest, most):
    """Start pose and near view of the reference scene, for any size of frame."""
    camera = Camera(ideal(width, height))
    q = START_POSE_RAD if distance_m is None else near_pose(distance_m)
    counts = [
        mask_pixels(camera.render(screen_with(80.0 + dx, 45.0 + 0.7 * dx), q))
        for dx in np.linspace(0.0, 1.5, 10)
    ]
    scale = (width / 160) ** 2
    assert fewest * scale * 0.95 <= np.mean(counts) <= most * scale


@pytest.mark.parametrize("width", [320, 640, 1280, 1920])
def test_a_finer_screen_shows_the_same_dot(width):
    camera = Camera(ideal())
    screen = screen_with(width=width, height=width * 9 // 16)
    assert mask_pixels(camera.render(screen, START_POSE_RAD)) == pytest.approx(82, abs=3)


@settings(deadline=None, max_examples=150)
@given(
    dq=st.tuples(*[st.floats(-0.15, 0.15)] * 6),
    x_units=st.floats(10.0, 150.0),
    y_units=st.floats(10.0, 80.0),
)
def test_the_dot_is_seen_where_its_place_projects(dq, x_units, y_units):
    q = np.add(START_POSE_RAD, dq)
    point = (
        SCENE.screen_centre_m[0] + (x_units / 160 - 0.5) * SCENE.screen_width_m,
        SCENE.screen_centre_m[1],
        SCENE.screen_centre_m[2] - (y_units / 90 - 0.5) * SCENE.screen_height_m,
        1.0,
    )
    in_camera = np.linalg.inv(transform_of_tool0(q)) @ point
    in_camera = in_camera[:3] - SCENE.camera_mount_m
    focal_px = 80 / math.tan(math.radians(30))
    x = 79.5 - focal_px * in_camera[0] / in_camera[2]
    y = 44.5 - focal_px * in_camera[1] / in_camera[2]
    if 8 < x < 151 and 8 < y < 81:
        frame = Camera(ideal()).render(screen_with(x_units, y_units), q)
        assert centroid(frame) == pytest.approx((x, y), abs=0.2)


def rays_see(q, width=160, height=90):
    """Return what each pixel looks at: 0 past the wall, 1 wall, 2 bezel, 3 screen."""
    base_t_tool0 = transform_of_tool0(q)
    camera = (base_t_tool0 @ (*SCENE.camera_mount_m, 1.0))[:3]
    focal_px = width / 2 / math.tan(math.radians(30))
    rows, columns = np.mgrid[0:height, 0:width]
    rays = np.stack(
        [
            -(columns - (width - 1) / 2) / focal_px,
            -(rows - (height - 1) / 2) / focal_px,
            np.ones((height, width)),
        ],
        axis=-1,
    )
    rays = rays @ base_t_tool0[:3, :3].T
    seen = np.zeros((height, width), int)
    for label, y, half_width, half_height in (
        (1, SCENE.wall_y_m, 3.0, 2.0),
        (2, 0.95, 0.531 / 2 + 0.02, 0.299 / 2 + 0.02),
        (3, 0.95, 0.531 / 2, 0.299 / 2),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            way = (y - camera[1]) / rays[..., 1]
            x = camera[0] + way * rays[..., 0] - SCENE.screen_centre_m[0]
            z = camera[2] + way * rays[..., 2] - SCENE.screen_centre_m[2]
        hit = (way > 0) & (np.abs(x) < half_width) & (np.abs(z) < half_height)
        seen[hit] = label
    if camera[1] > 0.95:
        seen[seen >= 2] = 1
    return seen


def labels_of(frame):
    beyond = np.full(3, BEYOND_LEVEL)
    labels = np.ones(frame.shape[:2], int)
    for label, colour, tolerance in (
        (0, beyond, 2),
        (2, np.array(BEZEL_BGR), 2),
        (3, np.array([255] * 3), 2),
    ):
        distance = np.abs(frame.astype(int) - colour).max(axis=2)
        labels[distance <= tolerance] = label
    return labels


@settings(deadline=None, max_examples=150)
@given(q=poses)
def test_every_pixel_shows_what_its_ray_meets(q):
    """From anywhere within the joint ranges, sideways and past the wall too."""
    blank = np.full((360, 640, 4), 255, np.uint8)
    frame = Camera(ideal()).render(blank, q)
    expected = rays_see(q)
    kernel = np.ones((7, 7), np.uint8)  # edges are soft: compare away from them
    lowest = cv2.erode(expected.astype(np.uint8), kernel)
    highest = cv2.dilate(expected.astype(np.uint8), kernel)
    inside = lowest == highest
    agrees = labels_of(frame) == expected
    # The wall's grey may come near that of nothing at all: a few pixels only.
    assert agrees[inside].mean() > 0.97 if inside.any() else True
    screen = inside & (expected == 3)
    assert agrees[screen].all()


def test_fault_a_camera_that_looks_past_the_wall_sees_no_mirror_image():
    q = np.array(START_POSE_RAD)
    q[0] += 0.6
    q[4] += 0.75
    frame = Camera(ideal()).render(screen_with(), q)
    assert (rays_see(q) == 0).mean() > 0.3  # the horizon is in the picture
    assert not (frame == 255).all(axis=2).any()
    assert mask_pixels(frame) == 0


def test_fault_the_back_of_the_screen_is_dark():
    q = np.array(START_POSE_RAD)
    q[0] += math.pi  # to the other side of the base, with a screen that faces away
    config = ideal(screen_centre_m=(0.109, -0.95, 0.654))
    frame = Camera(config).render(screen_with(), q)
    assert (frame[45, 80] == BEZEL_BGR).all()
    assert mask_pixels(frame) == 0
    assert not (frame == 255).all(axis=2).any()


def test_each_frame_is_a_new_array_and_the_screen_is_left_alone():
    camera, screen = Camera(ideal()), screen_with()
    before = screen.copy()
    first = camera.render(screen, START_POSE_RAD)
    kept = first.copy()
    camera.render(screen_with(20.0, 20.0), START_POSE_RAD)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(screen, before)


@settings(max_examples=30)
@given(q=poses, x_units=st.floats(7.0, 153.0), y_units=st.floats(7.0, 83.0))
def test_to_be_told_where_the_dot_is_changes_no_pixel(q, x_units, y_units):
    canvas = Canvas(np.zeros((360, 640, 4), np.uint8))
    canvas.draw(x_units, y_units, 7.0)
    camera = Camera(ideal())
    found = camera.render(canvas.pixels, q)
    np.testing.assert_array_equal(camera.render(canvas.pixels, q, canvas.marked), found)


def test_fault_what_is_shown_beside_the_dot_is_seen_too():
    screen = screen_with()
    screen[250:320, 500:600, :3] = 0  # somebody's window
    frame = Camera(ideal()).render(screen, START_POSE_RAD)
    assert mask_pixels(frame) == pytest.approx(82, abs=3)
    clean = Camera(ideal()).render(screen_with(), START_POSE_RAD)
    assert (np.abs(frame.astype(int) - clean) > 200).all(axis=-1).sum() > 100


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_frame_has_the_size_and_type_of_an_image(width, height):
    frame = Camera(ideal(width, height)).render(screen_with(), START_POSE_RAD)
    assert (frame.shape, frame.dtype) == ((height, width, 3), np.uint8)


def test_a_frame_costs_less_than_a_millisecond():
    camera, screen = Camera(ideal()), screen_with()
    times_s = []
    for _ in range(20):
        before = time.thread_time()
        for _ in range(10):
            camera.render(screen, START_POSE_RAD)
        times_s.append((time.thread_time() - before) / 10)
    assert min(times_s) < 1e-3  # 0.2 ms where it was measured
