"""The registers through which ur_rtde and its control script talk to each other."""

from ur5_sim.core.controller.registers import Inputs, Outputs

READY, DONE = 1, 2  # states of the script
FINISHED, STARTED = -1, 0  # progress of an asynchronous operation; > 0 is how far it is
COUNT = 128  # operation ids and write counts have 7 bits
MAX_PROGRESS = 32767


class ScriptRegisters:
    """Arguments in, state and results out, from register `offset` on (0 or 24)."""

    def __init__(self, inputs: Inputs, outputs: Outputs, offset: int) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._offset = offset
        self._writes = 0
        self._operation_id = 0

    def name_of_int(self, index: int) -> str:
        """Return the RTDE name of an integer argument."""
        return f"input_int_register_{self._offset + index}"

    def integer(self, index: int) -> int:
        """Return an integer argument; number 0 is the command."""
        return int(self._inputs.values[self.name_of_int(index)])

    def real(self, index: int) -> float:
        """Return a real argument."""
        name = f"input_double_register_{self._offset + index}"
        return float(self._inputs.values[name])

    def reals(self, first: int, count: int = 6) -> tuple[float, ...]:
        """Return real arguments that follow each other: joints, a pose, a vector."""
        return tuple(self.real(n) for n in range(first, first + count))

    def set_state(self, state: int) -> None:
        """Tell the client READY or DONE."""
        self._outputs.ints[self._offset] = state

    def answer_int(self, value: int) -> None:
        """Give an integer result."""
        self._outputs.ints[self._offset + 1] = int(value)

    def answer(self, values: tuple[float, ...]) -> None:
        """Give real results, 6 at most."""
        first = self._offset
        self._outputs.doubles[first : first + len(values)] = values

    def report_progress(self, value: int) -> None:
        """Tell how an asynchronous operation gets on.

        One word: bits 24-30 number of the operation, 16-22 count of reports, 15 whether
        it runs, 0-14 how far it is.
        """
        self._writes = (self._writes + 1) % COUNT
        if value == STARTED:
            self._operation_id = (self._operation_id + 1) % COUNT
        word = self._operation_id << 24 | self._writes << 16
        if value != FINISHED:
            word |= 1 << 15 | min(value, MAX_PROGRESS)
        self._outputs.ints[self._offset + 2] = word
