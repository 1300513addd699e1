"""The RTDE protocol, frame by frame, against UR's guide and ur_rtde's source."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_sim.core.config import ControllerConfig
from ur5_sim.core.controller.frames import FrameType, ProtocolError, frame
from ur5_sim.core.controller.robot import VirtualRobot
from ur5_sim.core.controller.session import RtdeSession

HANDSHAKE = frame(FrameType.REQUEST_PROTOCOL_VERSION, b"\0\x02")

# What RTDEReceiveInterface of ur_rtde 1.6.5 asks a 3.15 controller for, in its order.
DEFAULT_RECIPE = [
    "timestamp", "target_q", "target_qd", "target_qdd", "target_current", "target_moment",
    "actual_q", "actual_qd", "actual_current", "joint_control_output", "actual_TCP_pose",
    "actual_TCP_speed", "actual_TCP_force", "target_TCP_pose", "target_TCP_speed",
    "actual_digital_input_bits", "joint_temperatures", "actual_execution_time",
    "robot_mode", "joint_mode", "safety_mode", "actual_tool_accelerometer",
    "speed_scaling", "target_speed_fraction", "actual_momentum", "actual_main_voltage",
    "actual_robot_voltage", "actual_robot_current", "actual_joint_voltage",
    "actual_digital_output_bits", "runtime_state", "standard_analog_input0",
    "standard_analog_input1", "standard_analog_output0", "standard_analog_output1",
    "robot_status_bits", "safety_status_bits", "payload", "payload_cog",
    "payload_inertia", "output_int_register_2",
    *(f"output_int_register_{n}" for n in range(12, 20)),
    *(f"output_double_register_{n}" for n in range(12, 20)),
]  # fmt: skip

# Types in the guide's tables.
OFFICIAL_TYPES = {
    "timestamp": "DOUBLE",
    "target_q": "VECTOR6D",
    "actual_q": "VECTOR6D",
    "actual_qd": "VECTOR6D",
    "actual_TCP_pose": "VECTOR6D",
    "actual_tool_accelerometer": "VECTOR3D",
    "payload_cog": "VECTOR3D",
    "joint_mode": "VECTOR6INT32",
    "robot_mode": "INT32",
    "safety_mode": "INT32",
    "safety_status": "INT32",
    "runtime_state": "UINT32",
    "robot_status_bits": "UINT32",
    "safety_status_bits": "UINT32",
    "actual_digital_input_bits": "UINT64",
    "actual_digital_output_bits": "UINT64",
    "speed_scaling": "DOUBLE",
    "standard_analog_output0": "DOUBLE",
    "output_int_register_47": "INT32",
    "output_double_register_0": "DOUBLE",
    "output_bit_registers0_to_31": "UINT32",
    "output_bit_register_64": "BOOL",
    "input_int_register_0": "INT32",
    "input_bit_register_127": "BOOL",
}
OFFICIAL_INPUT_TYPES = {
    "speed_slider_mask": "UINT32",
    "speed_slider_fraction": "DOUBLE",
    "standard_digital_output_mask": "UINT8",
    "configurable_digital_output": "UINT8",
    "tool_digital_output": "UINT8",
    "standard_analog_output_type": "UINT8",
    "standard_analog_output_1": "DOUBLE",
    "input_bit_registers32_to_63": "UINT32",
    "input_bit_register_64": "BOOL",
    "input_int_register_47": "INT32",
    "input_double_register_24": "DOUBLE",
    "external_force_torque": "VECTOR6D",
}


@pytest.fixture
def robot():
    return VirtualRobot(ControllerConfig())


@pytest.fixture
def session(robot):
    return RtdeSession(robot, 1)


def setup_outputs(session, names, frequency_hz=125.0):
    """Return recipe id and list of types."""
    body = struct.pack(">d", frequency_hz) + ",".join(names).encode()
    return reply_to(session, FrameType.SETUP_OUTPUTS, body)


def setup_inputs(session, names):
    return reply_to(session, FrameType.SETUP_INPUTS, ",".join(names).encode())


def reply_to(session, kind, body):
    answer = session.feed(frame(kind, body))
    assert len(answer) == struct.unpack_from(">H", answer)[0]
    assert answer[2] == kind
    return answer[3], answer[4:].decode().split(",")


def started(session, names, frequency_hz=125.0):
    setup_outputs(session, names, frequency_hz)
    assert session.feed(frame(FrameType.START)) == b"\x00\x04S\x01"
    return session


# Handshake ------------------------------------------------------------------------------


def test_handshake_bytes_are_those_of_a_3_15_8_controller(session):
    assert session.feed(bytes.fromhex("0005 56 0002")) == bytes.fromhex("0004 56 01")
    version = bytes.fromhex("0013 76 00000003 0000000f 00000008 00019f63")
    assert session.feed(bytes.fromhex("0003 76")) == version
    assert session.feed(bytes.fromhex("0003 76")) == version  # ur_rtde asks twice


def test_e_series_says_so():
    session = RtdeSession(VirtualRobot(ControllerConfig(series="e-series")), 1)
    answer = session.feed(frame(FrameType.GET_URCONTROL_VERSION))
    assert struct.unpack(">3I", answer[3:15]) == (5, 12, 4)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_other_protocol_versions_are_refused(session, version):
    body = struct.pack(">H", version)
    answer = session.feed(frame(FrameType.REQUEST_PROTOCOL_VERSION, body))
    assert answer == b"\x00\x04V\x00"


@given(cuts=st.sets(st.integers(1, 400)))
def test_any_chopping_of_the_stream_gives_the_same_answers(cuts):
    stream = b"".join(
        (
            HANDSHAKE,
            frame(FrameType.GET_URCONTROL_VERSION),
            frame(
                FrameType.SETUP_OUTPUTS, struct.pack(">d", 125.0) + b"timestamp,actual_q,"
            ),
            frame(
                FrameType.SETUP_INPUTS, b"input_int_register_0,input_double_register_0,"
            ),
            frame(FrameType.DATA_PACKAGE, b"\x01" + struct.pack(">id", 7, 0.5)),
            frame(FrameType.START),
        )
    )
    whole = RtdeSession(VirtualRobot(ControllerConfig()), 1).feed(stream)
    robot = VirtualRobot(ControllerConfig())
    session = RtdeSession(robot, 1)
    edges = [0, *sorted(c for c in cuts if c < len(stream)), len(stream)]
    pieces = (stream[a:b] for a, b in zip(edges, edges[1:], strict=False))
    assert b"".join(session.feed(piece) for piece in pieces) == whole
    robot.tick(0)
    robot.tick(0)
    assert robot.inputs.values["input_int_register_0"] == 7
    assert robot.inputs.values["input_double_register_0"] == 0.5


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x00\x02V", id="size below the header's"),
        pytest.param(b"\x00\x03Z", id="unknown type"),
        pytest.param(b"\x00\x04V\x02", id="version of one byte"),
        pytest.param(b"\x00\x05O\x00\x00", id="recipe without a frequency"),
        pytest.param(frame(FrameType.SETUP_INPUTS, b"x" * 2049), id="endless name list"),
        pytest.param(b"GET / HTTP/1.1\r\n" * 2000, id="another protocol"),
    ],
)
def test_fault_broken_protocol_drops_the_client(session, stream):
    with pytest.raises(ProtocolError):
        session.feed(stream)


# Outputs --------------------------------------------------------------------------------


def test_default_recipe_of_the_client_is_57_fields_in_1132_bytes(session):
    recipe_id, types = setup_outputs(session, [*DEFAULT_RECIPE, ""])  # trailing comma
    assert recipe_id == 1
    assert len(types) == len(DEFAULT_RECIPE) == 57
    assert session.feed(frame(FrameType.START)) == b"\x00\x04S\x01"
    assert len(session.package()) == 1132


@pytest.mark.parametrize(("name", "kind"), OFFICIAL_TYPES.items())
def test_output_types_are_the_official_ones(session, name, kind):
    assert setup_outputs(session, [name]) == (1, [kind])
    sizes = {"BOOL": 1, "UINT32": 4, "INT32": 4, "UINT64": 8, "DOUBLE": 8, "VECTOR3D": 24}
    sizes |= {"VECTOR6D": 48, "VECTOR6INT32": 24}
    session.feed(frame(FrameType.START))
    assert len(session.package()) == 4 + sizes[kind]


def test_package_carries_the_state_of_the_robot(robot, session):
    names = ["timestamp", "actual_q", "robot_mode", "safety_status_bits", "joint_mode"]
    started(session, names)
    for _ in range(125):
        robot.tick(0)
    values = struct.unpack(">HBBd6diI6i", session.package())
    assert values[1:3] == (ord("U"), 1)
    assert values[3] == pytest.approx(1.0)
    assert values[4:10] == robot.plant.q
    assert values[10:12] == (7, 1)
    assert values[12:] == (253,) * 6


def test_unknown_output_is_named_and_the_recipe_invalid(session):
    reply = setup_outputs(session, ["timestamp", "no_such_thing", "actual_q"])
    assert reply == (0, ["DOUBLE", "NOT_FOUND", "VECTOR6D"])
    assert session.feed(frame(FrameType.START)) == b"\x00\x04S\x00"
    assert session.package() is None


def test_wrench_is_there_on_the_e_series_only(session):
    assert setup_outputs(session, ["ft_raw_wrench"]) == (0, ["NOT_FOUND"])
    other = RtdeSession(VirtualRobot(ControllerConfig(series="e-series")), 1)
    assert setup_outputs(other, ["ft_raw_wrench"]) == (1, ["VECTOR6D"])


@pytest.mark.parametrize(
    ("frequency_hz", "every"), [(125.0, 1), (100.0, 1), (62.5, 2), (25.0, 5), (1.0, 125)]
)
def test_packages_come_every_so_many_cycles(robot, session, frequency_hz, every):
    started(session, ["timestamp"], frequency_hz)
    sent = []
    for cycle in range(1, 251):
        robot.tick(0)
        if session.package() is not None:
            sent.append(cycle)
    assert sent == list(range(every, 251, every))


@pytest.mark.parametrize("frequency_hz", [0.0, 0.5, 126.0, float("nan"), -1.0])
def test_impossible_frequency_is_refused(session, frequency_hz):
    recipe_id, _ = setup_outputs(session, ["timestamp"], frequency_hz)
    assert recipe_id == 0


def test_pause_stops_the_packages_and_start_resumes_them(session):
    started(session, ["timestamp"])
    assert session.package() is not None
    assert session.feed(frame(FrameType.PAUSE)) == b"\x00\x04P\x01"
    assert session.package() is None
    session.feed(frame(FrameType.START))
    assert session.package() is not None


def test_start_without_a_recipe_is_refused(session):
    assert session.feed(frame(FrameType.START)) == b"\x00\x04S\x00"


# Inputs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), OFFICIAL_INPUT_TYPES.items())
def test_input_types_are_the_official_ones(session, name, kind):
    assert setup_inputs(session, [name]) == (1, [kind])


def test_input_recipes_are_numbered_per_connection(robot, session):
    other = RtdeSession(robot, 2)
    for number in (1, 2, 3):
        assert setup_inputs(session, ["input_int_register_0"])[0] == number
    assert setup_inputs(other, ["input_int_register_24"])[0] == 1


def test_a_variable_has_one_owner_until_it_leaves(robot, session):
    other = RtdeSession(robot, 2)
    setup_inputs(session, ["input_int_register_0", "input_double_register_0"])
    names = ["input_int_register_1", "input_double_register_0"]
    assert setup_inputs(other, names) == (0, ["INT32", "IN_USE"])
    # What was refused has claimed nothing.
    assert setup_inputs(session, ["input_int_register_1"])[0] == 2
    session.close()
    assert setup_inputs(other, names) == (1, ["INT32", "DOUBLE"])


def test_unknown_input_is_named_and_claims_nothing(robot, session):
    names = ["input_int_register_0", "input_int_register_48"]
    assert setup_inputs(session, names) == (0, ["INT32", "NOT_FOUND"])
    assert setup_inputs(RtdeSession(robot, 2), ["input_int_register_0"])[0] == 1


def test_input_takes_effect_one_cycle_after_the_next(robot, session):
    setup_inputs(session, ["input_int_register_5"])
    session.feed(frame(FrameType.DATA_PACKAGE, struct.pack(">Bi", 1, -42)))
    robot.tick(0)
    assert robot.inputs.values["input_int_register_5"] == 0
    robot.tick(0)
    assert robot.inputs.values["input_int_register_5"] == -42


def test_packages_of_one_cycle_each_update_their_part_and_the_last_wins(robot, session):
    setup_inputs(session, ["input_int_register_0", "input_double_register_0"])
    setup_inputs(session, ["input_int_register_0"])
    session.feed(frame(FrameType.DATA_PACKAGE, struct.pack(">Bid", 1, 9, 0.25)))
    session.feed(frame(FrameType.DATA_PACKAGE, struct.pack(">Bi", 2, 15)))
    robot.tick(0)
    robot.tick(0)
    assert robot.inputs.values["input_int_register_0"] == 15
    assert robot.inputs.values["input_double_register_0"] == 0.25


def test_values_outlive_their_owner(robot, session):
    setup_inputs(session, ["input_int_register_0"])
    session.feed(frame(FrameType.DATA_PACKAGE, struct.pack(">Bi", 1, 9)))
    session.close()
    robot.tick(0)
    robot.tick(0)
    assert robot.inputs.values["input_int_register_0"] == 9


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(struct.pack(">Bi", 2, 1), id="unknown recipe"),
        pytest.param(struct.pack(">Bii", 1, 1, 1), id="too long"),
        pytest.param(struct.pack(">Bh", 1, 1), id="too short"),
    ],
)
def test_fault_package_of_the_wrong_shape_is_counted_and_changes_nothing(
    robot, session, body
):
    setup_inputs(session, ["input_int_register_0"])
    session.feed(frame(FrameType.DATA_PACKAGE, body))
    robot.tick(0)
    robot.tick(0)
    assert session.ignored_packages == 1
    assert robot.inputs.values["input_int_register_0"] == 0


def test_text_messages_are_never_sent_and_never_answered(session):
    assert session.feed(frame(FrameType.TEXT_MESSAGE, b"\x02hi\x01x\x03")) == b""
