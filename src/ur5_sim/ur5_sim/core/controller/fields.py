"""What clients may read: name, type and source of each RTDE output variable.

Quantities without a model here (currents, voltages, temperatures, forces, moments) are
constant at what an arm at rest might show; nothing in this project may depend on them.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ur5_sim.core.controller.frames import HEADER, TYPE_CODES, FrameType
from ur5_sim.core.controller.modes import (
    POWER_BUTTON_BIT,
    POWER_ON_BIT,
    PROGRAM_RUNNING_BIT,
    SAFETY_STATUS_BITS,
    JointMode,
    RobotMode,
    RuntimeState,
)
from ur5_sim.core.controller.registers import INPUT_TYPES, NUM_REGISTERS
from ur5_sim.core.controller.robot import Identity, VirtualRobot
from ur5_sim.core.controller.tool_pose import tool_pose, tool_speed

Source = Callable[[VirtualRobot], Any]

JOINT_MODES = {
    RobotMode.POWER_OFF: JointMode.POWER_OFF,
    RobotMode.RUNNING: JointMode.RUNNING,
}


@dataclass(frozen=True)
class Field:
    """One output variable: its RTDE type and where its value comes from."""

    kind: str
    source: Source


def _constant(kind: str, value: Any) -> Field:
    return Field(kind, lambda robot: value)


def _status_bits(robot: VirtualRobot) -> int:
    is_on = robot.safety.robot_mode is not RobotMode.POWER_OFF
    is_playing = robot.runtime_state is RuntimeState.PLAYING
    return (POWER_ON_BIT | POWER_BUTTON_BIT) * is_on | PROGRAM_RUNNING_BIT * is_playing


def _joint_modes(robot: VirtualRobot) -> tuple[int, ...]:
    return (JOINT_MODES.get(robot.safety.robot_mode, JointMode.IDLE),) * 6


SIX_ZEROS = (0.0,) * 6

MOTION = {
    "timestamp": Field("DOUBLE", lambda r: r.time_s),
    "target_q": Field("VECTOR6D", lambda r: r.plant.target_q),
    "target_qd": Field("VECTOR6D", lambda r: r.plant.target_qd),
    "target_qdd": Field("VECTOR6D", lambda r: r.plant.target_qdd),
    "actual_q": Field("VECTOR6D", lambda r: r.plant.q),
    "actual_qd": Field("VECTOR6D", lambda r: r.plant.qd),
    "actual_TCP_pose": Field("VECTOR6D", lambda r: tool_pose(r.plant.q, r.tcp_offset)),
    "actual_TCP_speed": Field(
        "VECTOR6D", lambda r: tool_speed(r.plant.q, r.plant.qd, r.tcp_offset)
    ),
    "target_TCP_pose": Field(
        "VECTOR6D", lambda r: tool_pose(r.plant.target_q, r.tcp_offset)
    ),
    "target_TCP_speed": Field(
        "VECTOR6D",
        lambda r: tool_speed(r.plant.target_q, r.plant.target_qd, r.tcp_offset),
    ),
    "speed_scaling": Field("DOUBLE", lambda r: r.plant.speed_scaling),
    "target_speed_fraction": Field("DOUBLE", lambda r: r.plant.speed_fraction),
}
STATE = {
    "robot_mode": Field("INT32", lambda r: r.safety.robot_mode),
    "joint_mode": Field("VECTOR6INT32", _joint_modes),
    "safety_mode": Field("INT32", lambda r: r.safety.safety_mode),
    "safety_status": Field("INT32", lambda r: r.safety.safety_mode),
    "safety_status_bits": Field(
        "UINT32", lambda r: SAFETY_STATUS_BITS[r.safety.safety_mode]
    ),
    "robot_status_bits": Field("UINT32", _status_bits),
    "runtime_state": Field("UINT32", lambda r: r.runtime_state),
    "actual_digital_output_bits": Field("UINT64", lambda r: r.digital.bits),
    "standard_analog_output0": Field("DOUBLE", lambda r: r.digital.analog[0]),
    "standard_analog_output1": Field("DOUBLE", lambda r: r.digital.analog[1]),
    "payload": Field("DOUBLE", lambda r: r.payload_kg),
    "payload_cog": Field("VECTOR3D", lambda r: r.payload_cog_m),
    "tcp_offset": Field("VECTOR6D", lambda r: r.tcp_offset),
}
CONSTANTS = {
    "actual_digital_input_bits": _constant("UINT64", 0),
    "actual_execution_time": _constant("DOUBLE", 0.0),
    "actual_main_voltage": _constant("DOUBLE", 48.0),
    "actual_momentum": _constant("DOUBLE", 0.0),
    "actual_robot_current": _constant("DOUBLE", 0.0),
    "actual_robot_voltage": _constant("DOUBLE", 48.0),
    "actual_joint_voltage": _constant("VECTOR6D", (48.0,) * 6),
    "joint_temperatures": _constant("VECTOR6D", (25.0,) * 6),
    "actual_tool_accelerometer": _constant("VECTOR3D", (0.0, 0.0, 9.81)),
    "payload_inertia": _constant("VECTOR6D", SIX_ZEROS),
    "standard_analog_input0": _constant("DOUBLE", 0.0),
    "standard_analog_input1": _constant("DOUBLE", 0.0),
    "tcp_force_scalar": _constant("DOUBLE", 0.0),
    "output_bit_registers0_to_31": _constant("UINT32", 0),
    "output_bit_registers32_to_63": _constant("UINT32", 0),
    **{f"output_bit_register_{n}": _constant("BOOL", False) for n in range(64, 128)},
    **{
        name: _constant("VECTOR6D", SIX_ZEROS)
        for name in (
            "target_current",
            "target_moment",
            "actual_current",
            "joint_control_output",
            "actual_TCP_force",
        )
    },
}
E_SERIES_ONLY = {"ft_raw_wrench": _constant("VECTOR6D", SIX_ZEROS)}


def _register_fields() -> dict[str, Field]:
    def output_int(n: int) -> Source:
        return lambda r: r.outputs.ints[n]

    def output_double(n: int) -> Source:
        return lambda r: r.outputs.doubles[n]

    def input_value(name: str) -> Source:
        return lambda r: r.inputs.values[name]

    fields = {}
    for n in range(NUM_REGISTERS):
        fields[f"output_int_register_{n}"] = Field("INT32", output_int(n))
        fields[f"output_double_register_{n}"] = Field("DOUBLE", output_double(n))
    for name, kind in INPUT_TYPES.items():
        if name.startswith("input_"):  # may be read back
            fields[name] = Field(kind, input_value(name))
    return fields


OUTPUT_FIELDS = {**MOTION, **STATE, **CONSTANTS, **_register_fields()}


def output_field(name: str, identity: Identity) -> Field | None:
    """Return the output variable of that name, if such a controller has it."""
    if identity.is_e_series and name in E_SERIES_ONLY:
        return E_SERIES_ONLY[name]
    return OUTPUT_FIELDS.get(name)


class OutputRecipe:
    """Which variables one client wants, in its order, as one packed data package."""

    def __init__(self, recipe_id: int, fields: Sequence[Field]) -> None:
        codes = "".join(TYPE_CODES[field.kind] for field in fields)
        self._struct = struct.Struct(f"{HEADER.format}B{codes}")
        self._head = (self._struct.size, FrameType.DATA_PACKAGE, recipe_id)
        self._sources = [(f.source, f.kind.startswith("VECTOR")) for f in fields]

    def frame(self, robot: VirtualRobot) -> bytes:
        """Return the state of `robot` as one frame."""
        values: list[Any] = []
        for source, is_vector in self._sources:
            if is_vector:
                values.extend(source(robot))
            else:
                values.append(source(robot))
        return self._struct.pack(*self._head, *values)


class InputRecipe:
    """Which variables one kind of a client's data packages holds."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._lengths = [6 if INPUT_TYPES[name] == "VECTOR6D" else 1 for name in names]
        codes = "".join(TYPE_CODES[INPUT_TYPES[name]] for name in names)
        self._struct = struct.Struct(f">{codes}")

    def values(self, payload: bytes) -> dict[str, Any] | None:
        """Return the variables of one package, or nothing if its size is wrong."""
        if len(payload) != self._struct.size:
            return None
        flat = iter(self._struct.unpack(payload))
        return {
            name: next(flat) if length == 1 else tuple(next(flat) for _ in range(length))
            for name, length in zip(self._names, self._lengths, strict=True)
        }
