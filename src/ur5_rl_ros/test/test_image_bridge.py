"""Images to messages and back: every pixel stays where it was."""

import array
import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sensor_msgs.msg import Image

from ur5_rl_ros.image_bridge import bytes_of, cv2_to_imgmsg, imgmsg_to_cv2

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
colour = sizes.flatmap(lambda size: arrays(np.uint8, (*size, 3)))
grey = sizes.flatmap(lambda size: arrays(np.uint8, size))


def padded(msg, padding):
    """Return the same image with `padding` bytes of 77 after each row."""
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    wide = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return Image(
        encoding=msg.encoding,
        height=msg.height,
        width=msg.width,
        step=msg.step + padding,
        data=bytes_of(wide),
    )


@given(image=colour, encoding=st.sampled_from(["bgr8", "rgb8"]))
def test_a_colour_image_survives_there_and_back(image, encoding):
    msg = cv2_to_imgmsg(image, encoding)
    height, width = image.shape[:2]
    assert (msg.height, msg.width, msg.step) == (height, width, 3 * width)
    assert msg.encoding == encoding
    assert not msg.is_bigendian
    np.testing.assert_array_equal(imgmsg_to_cv2(msg), image)
    np.testing.assert_array_equal(imgmsg_to_cv2(msg, encoding), image)


@given(image=grey)
def test_a_grey_image_survives_there_and_back(image):
    msg = cv2_to_imgmsg(image, "mono8")
    assert msg.step == image.shape[1]
    np.testing.assert_array_equal(imgmsg_to_cv2(msg), image)


@given(image=colour)
def test_bgr_and_rgb_are_each_other_reversed(image):
    for here, there in (("bgr8", "rgb8"), ("rgb8", "bgr8")):
        converted = imgmsg_to_cv2(cv2_to_imgmsg(image, here), there)
        np.testing.assert_array_equal(converted, image[..., ::-1])


@given(image=grey)
def test_grey_in_colour_is_grey(image):
    for encoding in ("bgr8", "rgb8"):
        converted = imgmsg_to_cv2(cv2_to_imgmsg(image, "mono8"), encoding)
        np.testing.assert_array_equal(converted, np.stack([image] * 3, axis=-1))


def test_colour_in_grey_weighs_as_the_eye_does():
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B
    blue_green_red = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    for encoding, weights in (("bgr8", [29, 150, 76]), ("rgb8", [76, 150, 29])):
        converted = imgmsg_to_cv2(cv2_to_imgmsg(blue_green_red, encoding), "mono8")
        np.testing.assert_array_equal(converted, [weights])


@given(image=colour, padding=st.integers(1, 9))
def test_rows_with_padding_read_the_same_in_every_encoding(image, padding):
    msg = cv2_to_imgmsg(image, "bgr8")
    for wanted in ("passthrough", "bgr8", "rgb8", "mono8"):
        np.testing.assert_array_equal(
            imgmsg_to_cv2(padded(msg, padding), wanted), imgmsg_to_cv2(msg, wanted)
        )


@given(image=grey, padding=st.integers(1, 9))
def test_grey_rows_with_padding_read_the_same(image, padding):
    msg = padded(cv2_to_imgmsg(image, "mono8"), padding)
    np.testing.assert_array_equal(imgmsg_to_cv2(msg), image)
    np.testing.assert_array_equal(imgmsg_to_cv2(msg, "bgr8")[..., 0], image)


def test_slices_and_mirrored_images_are_written_as_they_look():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    for view in (image[::2, ::3], image[:, ::-1], image[..., ::-1]):
        np.testing.assert_array_equal(imgmsg_to_cv2(cv2_to_imgmsg(view, "bgr8")), view)


def test_a_message_does_not_change_with_the_image_it_was_made_from():
    image = np.zeros((2, 3, 3), np.uint8)
    msg = cv2_to_imgmsg(image, "bgr8")
    image[:] = 255
    assert not imgmsg_to_cv2(msg).any()


@given(values=arrays(np.uint8, array_shapes(max_dims=3, max_side=6)))
def test_bytes_are_the_array_type_that_ros_takes_whole(values):
    data = bytes_of(values)
    assert isinstance(data, array.array)
    assert data.typecode == "B"
    assert data.tobytes() == values.tobytes()


def image_msg(**changes):
    fields = {"encoding": "bgr8", "height": 2, "width": 3, "step": 9}
    data = array.array("B", bytes(18))
    return Image(**{"data": data} | fields | changes)


@pytest.mark.parametrize(
    "changes,text",
    [
        ({"encoding": "bayer_rggb8"}, "encoding must be one of .*, got 'bayer_rggb8'"),
        ({"encoding": ""}, "encoding must be one of"),
        ({"encoding": "BGR8"}, "encoding must be one of"),
        ({"data": array.array("B", bytes(17))}, "17 bytes does not hold 2 rows"),
        ({"data": array.array("B", bytes(19))}, "19 bytes does not hold 2 rows"),
        ({"data": array.array("B")}, "0 bytes does not hold"),
        ({"step": 8}, "of step 8 with 3 px"),
        ({"step": 0}, "of step 0"),
        ({"width": 4}, "with 4 px"),
        ({"width": 4_000_000_000, "step": 4_000_000_000}, "does not hold"),
        ({"height": 3}, "3 rows"),
        ({"height": 0, "data": array.array("B")}, "0 rows"),
        ({"width": 0}, "0 px"),
    ],
)
@pytest.mark.parametrize("wanted", ["passthrough", "rgb8"])
def test_fault_a_message_that_is_no_image_is_refused(changes, text, wanted):
    with pytest.raises(ValueError, match=text):
        imgmsg_to_cv2(image_msg(**changes), wanted)


@pytest.mark.parametrize("wanted", ["hsv", "", "BGR8"])
def test_fault_an_unknown_wish_is_refused(wanted):
    with pytest.raises(ValueError, match="encoding must be one of"):
        imgmsg_to_cv2(image_msg(), wanted)


@pytest.mark.parametrize(
    "image,encoding,text",
    [
        (np.zeros((2, 3, 3), np.float32), "bgr8", "got float32"),
        (np.zeros((2, 3), np.uint8), "bgr8", r"got uint8 \(2, 3\)"),
        (np.zeros((2, 3, 4), np.uint8), "bgr8", r"got uint8 \(2, 3, 4\)"),
        (np.zeros((2, 3, 3), np.uint8), "mono8", r"got uint8 \(2, 3, 3\)"),
        (np.zeros((2, 3, 1), np.uint8), "mono8", r"got uint8 \(2, 3, 1\)"),
        (np.zeros(6, np.uint8), "mono8", r"got uint8 \(6,\)"),
        (np.zeros((2, 3, 3), np.uint8), "hsv", "encoding must be one of"),
    ],
)
def test_fault_what_is_no_such_image_is_not_sent(image, encoding, text):
    with pytest.raises(ValueError, match=text):
        cv2_to_imgmsg(image, encoding)


if importlib.util.find_spec("cv_bridge"):  # of a ROS distribution; no wheel has it

    @pytest.mark.parametrize("encoding", ["bgr8", "rgb8"])
    def test_the_bridge_of_ros_itself_agrees(encoding):
        from cv_bridge import CvBridge

        theirs = CvBridge()
        image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
        ours, msg = cv2_to_imgmsg(image, encoding), theirs.cv2_to_imgmsg(image, encoding)
        for name in ("data", "step", "encoding", "height", "width"):
            assert getattr(msg, name) == getattr(ours, name)
        for wanted in ("passthrough", "bgr8", "rgb8", "mono8"):
            np.testing.assert_array_equal(
                theirs.imgmsg_to_cv2(ours, wanted), imgmsg_to_cv2(msg, wanted)
            )
