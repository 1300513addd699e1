"""How OpenCV is kept from making small frames expensive."""

import cv2


def use_one_core() -> None:
    """Have OpenCV work in the calling thread alone, and without Intel's IPP there.

    A frame is too small to share out, and on a virtual machine each call into IPP costs
    about 10 us, more than what most of them are called for. Results stay bit by bit the
    same. Threads are a setting of the process, IPP is one of the calling thread.
    """
    cv2.setNumThreads(1)
    cv2.ipp.setUseIPP(False)
