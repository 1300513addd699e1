"""A whole update as one CUDA graph: hundreds of kernels for the price of one launch."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from sac_learner.core.batch import TensorBatch
from sac_learner.core.bounded_file import in_one_line

WARM_UPS = 3  # eager updates of each kind, in which libraries and Adam take their memory


class Moves(NamedTuple):
    """What an update moves besides encoder and critics."""

    actor: bool
    targets: bool


Step = Callable[[TensorBatch, Moves], None]


class CapturedUpdate:
    """Replays `step` as a graph, one for each kind of update. Owned by one thread.

    A graph knows addresses, not values: the batch is copied to where the graph reads it,
    and everything that `step` writes must stay where it is. The first updates of a kind
    run as they are; they count, so nothing has to be undone. Not yet run on a GPU.

    Attributes:
        refusal: Why it runs without a graph; "" while there is no reason.
    """

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        self.refusal = ""
        self._step, self._generator = step, generator
        self._inputs: TensorBatch | None = None
        self._warm_ups: dict[Moves, int] = {}
        self._graphs: dict[Moves, torch.cuda.CUDAGraph] = {}

    def __call__(self, batch: TensorBatch, moves: Moves) -> None:
        """Take one update on a batch that lies on the device."""
        inputs = self._to_inputs(batch)
        if moves not in self._graphs and self._is_warm(moves) and not self.refusal:
            self._capture(inputs, moves)
        if moves in self._graphs:
            self._graphs[moves].replay()
        else:
            self._step(inputs, moves)

    def forget(self) -> None:
        """Capture anew: what the step writes has moved, as after loading a checkpoint."""
        self._graphs.clear()
        self._warm_ups.clear()

    def _to_inputs(self, batch: TensorBatch) -> TensorBatch:
        """Return the batch in the memory that all graphs read."""
        if self._inputs is None or self._inputs.frames.shape != batch.frames.shape:
            self._inputs = TensorBatch(*(torch.empty_like(tensor) for tensor in batch))
            self.forget()
        for own, tensor in zip(self._inputs, batch, strict=True):
            own.copy_(tensor, non_blocking=True)
        return self._inputs

    def _is_warm(self, moves: Moves) -> bool:
        done = self._warm_ups.get(moves, 0)
        self._warm_ups[moves] = done + 1
        return done >= WARM_UPS

    def _capture(self, inputs: TensorBatch, moves: Moves) -> None:
        stream = torch.cuda.current_stream() if torch.cuda.is_available() else None
        try:
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            # Records, runs nothing. Other threads may use the device meanwhile: the
            # sampler copies frames there.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step(inputs, moves)
        except RuntimeError as error:
            self.refusal = f"no CUDA graph: {in_one_line(error)}"
            if stream is not None:  # a capture that fails stays on a stream of its own
                torch.cuda.set_stream(stream)
            return
        self._graphs[moves] = graph


def fastest(step: Step, generator: torch.Generator) -> Step:
    """Return what takes an update fastest on the generator's device."""
    if generator.device.type == "cuda":
        return CapturedUpdate(step, generator)
    return step
