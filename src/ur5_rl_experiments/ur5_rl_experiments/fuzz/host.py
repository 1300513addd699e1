"""Runs a node as its process does, and shows outside what its subscriptions took.

`python -m ur5_rl_experiments.fuzz.host COUNTS TOPIC,TOPIC,... MODULE --ros-args ...`:
COUNTS is a file of int64, shape (topics, 2): messages taken, messages not decodable.
A sender that looks there knows at once whether its message has arrived.
"""

import importlib
import sys
from typing import Any

import numpy as np
from rclpy.subscription import Subscription

from ur5_rl_ros.intake import CountingExecutor, Handler

TAKEN, UNDECODABLE = 0, 1


def main() -> None:
    """Count into the file named first, then be the node named third."""
    counts_path, topics, module, *words = sys.argv[1:]
    sys.argv = [module, *words]
    rows = {f"/{topic}": row for row, topic in enumerate(topics.split(","))}
    shape = (len(rows), 2)
    counts = np.memmap(counts_path, np.int64, "r+", shape=shape)
    take = CountingExecutor._take_subscription

    def counting_take(self: CountingExecutor, sub: "Subscription[Any]") -> Handler | None:
        handler = take(self, sub)
        row = rows.get(sub.topic_name)
        if row is not None:
            counts[row, TAKEN if handler else UNDECODABLE] += 1
        return handler

    CountingExecutor._take_subscription = counting_take  # type: ignore[method-assign]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
