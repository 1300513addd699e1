"""One /diagnostics entry a second from each node, in the format rqt expects."""

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ur5_rl_ros.intake import undecodable_messages

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

Report = tuple[bytes, str, Mapping[str, object]]


class Diagnostics:
    """Publishes what `report` returns (level, message, values) once a second.

    What cannot wait so long calls `publish`, in the thread of the callbacks.
    """

    def __init__(
        self, node: Node, hardware_id: str, report: Callable[[], Report]
    ) -> None:
        self._node = node
        self._hardware_id = hardware_id
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(1.0, self.publish, clock=steady)

    def publish(self) -> None:
        """Publish now how the node is."""
        level, message, values = self._report()
        values = {**values, "messages_undecodable": undecodable_messages(self._node)}
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name(),
            message=message,
            hardware_id=self._hardware_id,
            values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
