"""What clients may write: registers, digital outputs, speed slider, and who owns each."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

Values = dict[str, Any]  # variable -> number, or tuple for a vector

NUM_REGISTERS = 48


def input_types() -> dict[str, str]:
    """Return name and RTDE type of each variable that a client may write."""
    types = {
        "speed_slider_mask": "UINT32",
        "speed_slider_fraction": "DOUBLE",
        "external_force_torque": "VECTOR6D",
        "standard_analog_output_mask": "UINT8",
        "standard_analog_output_type": "UINT8",
        "standard_analog_output_0": "DOUBLE",
        "standard_analog_output_1": "DOUBLE",
        "input_bit_registers0_to_31": "UINT32",
        "input_bit_registers32_to_63": "UINT32",
    }
    for group in ("standard", "configurable", "tool"):
        types[f"{group}_digital_output_mask"] = "UINT8"
        types[f"{group}_digital_output"] = "UINT8"
    types.update({f"input_bit_register_{n}": "BOOL" for n in range(64, 128)})
    types.update({f"input_int_register_{n}": "INT32" for n in range(NUM_REGISTERS)})
    types.update({f"input_double_register_{n}": "DOUBLE" for n in range(NUM_REGISTERS)})
    return types


INPUT_TYPES = input_types()


class Inputs:
    """Values that clients wrote, each owned by one connection, taking effect in order.

    What arrives during one control cycle takes effect `latency_cycles` cycles after the
    next: real controllers add one.
    """

    def __init__(self, latency_cycles: int = 1) -> None:
        self.values: Values = {
            name: (0.0,) * 6 if kind == "VECTOR6D" else 0.0 if kind == "DOUBLE" else 0
            for name, kind in INPUT_TYPES.items()
        }
        self._owners: dict[str, int] = {}
        self._arriving: list[Values] = []
        self._delayed: deque[list[Values]] = deque([[]] * latency_cycles)

    def claim(self, owner: int, names: Iterable[str]) -> list[str]:
        """Return the type of each variable, or IN_USE or NOT_FOUND; claim all or none."""
        names = list(names)
        types = [self._type_for(owner, name) for name in names]
        if not {"IN_USE", "NOT_FOUND"} & set(types):
            self._owners.update(dict.fromkeys(names, owner))
        return types

    def release(self, owner: int) -> None:
        """Give back everything that a connection owned; the values stay."""
        self._owners = {n: o for n, o in self._owners.items() if o != owner}

    def write(self, values: Values) -> None:
        """Take in one data package."""
        self._arriving.append(values)

    def apply_due(self) -> Iterator[Values]:
        """Begin a control cycle: put the packages now due into effect, one by one."""
        self._delayed.append(self._arriving)
        self._arriving = []
        for package in self._delayed.popleft():
            self.values.update(package)
            yield package

    def _type_for(self, owner: int, name: str) -> str:
        if name not in INPUT_TYPES:
            return "NOT_FOUND"
        if self._owners.get(name, owner) != owner:
            return "IN_USE"
        return INPUT_TYPES[name]


class Outputs:
    """Registers that programs write and clients read. They outlive the programs."""

    def __init__(self) -> None:
        self.ints = [0] * NUM_REGISTERS
        self.doubles = [0.0] * NUM_REGISTERS


class DigitalOutputs:
    """Digital and analog outputs of the controller box and the tool."""

    FIRST_BIT = {"standard": 0, "configurable": 8, "tool": 16}

    def __init__(self) -> None:
        self.bits = 0
        self.analog = [0.0, 0.0]

    def apply(self, package: Values, values: Values) -> None:
        """Set what a data package asks for, under its masks.

        Args:
            package: What the client wrote now.
            values: Of all variables: what the package leaves out keeps its last value.
        """
        for group, first in self.FIRST_BIT.items():
            name = f"{group}_digital_output"
            if name in package or f"{name}_mask" in package:
                mask, wanted = values[f"{name}_mask"] << first, values[name] << first
                self.bits = (self.bits & ~mask) | (wanted & mask)
        for n in (0, 1):
            name = f"standard_analog_output_{n}"
            is_meant = values["standard_analog_output_mask"] >> n & 1
            if is_meant and (name in package or "standard_analog_output_mask" in package):
                self.analog[n] = values[name]
