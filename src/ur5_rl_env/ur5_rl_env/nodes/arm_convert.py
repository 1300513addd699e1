"""Messages of the arm node to and from its core types. Nothing else."""

from array import array

from sensor_msgs.msg import JointState

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_state import RobotSample
from ur5_rl_env.core.decision import Decision
from ur5_rl_env.core.stop_request import StopRequest
from ur5_rl_env.core.task import JOINT_NAMES
from ur5_rl_env.core.velocity_command import NANOSECONDS, VelocityCommand
from ur5_rl_interfaces.msg import ArmStatus, JointVelocityCommand
from ur5_rl_interfaces.msg import StopRequest as StopRequestMsg


def command(msg: JointVelocityCommand) -> VelocityCommand:
    return VelocityCommand(
        session=msg.session,
        sequence=msg.sequence,
        steady_ns=msg.steady_ns,
        velocity=tuple(msg.velocity_rad_s.tolist()),
    )


def stop_request(msg: StopRequestMsg) -> StopRequest:
    return StopRequest(session=msg.session, steady_ns=msg.steady_ns, reason=msg.reason)


def new_joint_state() -> JointState:
    """Return a message to be filled again and again."""
    return JointState(name=list(JOINT_NAMES), effort=[])


def fill_joint_state(msg: JointState, sample: RobotSample, stamp_ns: int) -> None:
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
    msg.position = array("d", sample.q)
    msg.velocity = array("d", sample.qd)


def fill_status(msg: ArmStatus, arm: Arm, decision: Decision, now_ns: int) -> None:
    """Fill in what the state machine knows."""
    msg.state, msg.cause = int(arm.state), arm.cause
    msg.command_age_ms = arm.inbox.age_ms(now_ns)
    msg.limited = list(decision.limited)
    msg.commands_accepted = arm.inbox.accepted
    msg.commands_refused = arm.inbox.refused
    msg.velocity_target_rad_s = decision.target


def fill_robot(msg: ArmStatus, sample: RobotSample, stamp_ns: int) -> None:
    """Fill in what the robot said."""
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
    msg.robot_mode, msg.safety_mode = sample.robot_mode, sample.safety_mode
