"""Images to and from sensor_msgs/Image: `cv_bridge`'s two methods, in numpy alone."""

import array

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

CHANNELS = {"bgr8": 3, "rgb8": 3, "mono8": 1}
_CONVERSIONS = {
    ("bgr8", "rgb8"): cv2.COLOR_BGR2RGB,
    ("rgb8", "bgr8"): cv2.COLOR_RGB2BGR,
    ("bgr8", "mono8"): cv2.COLOR_BGR2GRAY,
    ("rgb8", "mono8"): cv2.COLOR_RGB2GRAY,
    ("mono8", "bgr8"): cv2.COLOR_GRAY2BGR,
    ("mono8", "rgb8"): cv2.COLOR_GRAY2RGB,
}


def imgmsg_to_cv2(msg: Image, desired_encoding: str = "passthrough") -> NDArray[np.uint8]:
    """Return the image of a message, shape (height, width[, 3]).

    Without a conversion it is a view of `msg.data`: copy it to keep it.

    Raises:
        ValueError: the encoding is not bgr8, rgb8 or mono8, or the sizes do not fit.
    """
    channels = _channels(msg.encoding)
    is_empty = msg.height == 0 or msg.width == 0
    fits = msg.step >= msg.width * channels and len(msg.data) == msg.step * msg.height
    if is_empty or not fits:
        raise ValueError(
            f"image of {len(msg.data)} bytes does not hold {msg.height} rows of "
            f"step {msg.step} with {msg.width} px of {msg.encoding}"
        )
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    image = rows[:, : msg.width * channels]
    if channels > 1:
        image = image.reshape(msg.height, msg.width, channels)
    if desired_encoding in ("passthrough", msg.encoding):
        return image
    _channels(desired_encoding)
    return cv2.cvtColor(image, _CONVERSIONS[msg.encoding, desired_encoding])


def cv2_to_imgmsg(image: NDArray[np.uint8], encoding: str) -> Image:
    """Return a message that holds a copy of `image`, shape (height, width[, 3]).

    Raises:
        ValueError: dtype, shape and encoding do not fit each other.
    """
    channels = _channels(encoding)
    beyond = () if channels == 1 else (channels,)
    if image.dtype != np.uint8 or image.ndim < 2 or image.shape[2:] != beyond:
        wanted = ", ".join(["height", "width", *map(str, beyond)])
        raise ValueError(
            f"{encoding} takes uint8 ({wanted}), got {image.dtype} {image.shape}"
        )
    msg = Image(encoding=encoding, height=image.shape[0], width=image.shape[1])
    msg.step = image.shape[1] * channels
    msg.data = bytes_of(image)
    return msg


def bytes_of(values: NDArray[np.uint8]) -> array.array:
    """Return `values` as the array type that rclpy copies fastest."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return data


def _channels(encoding: str) -> int:
    if encoding not in CHANNELS:
        raise ValueError(f"encoding must be one of {sorted(CHANNELS)}, got '{encoding}'")
    return CHANNELS[encoding]
