"""The update as a CUDA graph: what of it can be tested without a GPU, and the rest."""

from dataclasses import replace

import pytest
import torch

from sac_learner.core import captured_update
from sac_learner.core.batch import empty_batch, on_device
from sac_learner.core.captured_update import WARM_UPS, CapturedUpdate, Moves, fastest
from sac_learner.core.config import LearnerConfig
from sac_learner.core.sac import Sac

CONFIG = LearnerConfig(
    height_px=32, width_px=40, crop_rows=0, crop_columns=1, strides=(2, 2, 1, 1),
    hidden_size=16, batch_size=4, precision="fp32",
)  # fmt: skip
ALL, FEW = Moves(actor=True, targets=True), Moves(actor=False, targets=False)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def batch(value=0, size=4):
    made = empty_batch(size, CONFIG.network)
    made.frames[:], made.reward[:], made.discount[:] = value, value, 0.9
    return on_device(made, torch.device("cpu"))


class Recorder:
    """A step that notes where its batch lay and what was in it."""

    def __init__(self):
        self.seen = []

    def __call__(self, inputs, moves):
        place = inputs.frames.data_ptr()
        self.seen.append((place, float(inputs.reward[0]), moves))


def test_every_batch_is_copied_to_the_same_place_in_the_same_layout():
    step = Recorder()
    update = CapturedUpdate(step, torch.Generator())
    for value in range(WARM_UPS):
        update(batch(value), FEW)
    assert [reward for _, reward, _ in step.seen] == [0.0, 1.0, 2.0]
    assert len({place for place, _, _ in step.seen}) == 1
    assert update._inputs.frames.stride() == batch().frames.stride()


def test_fault_without_a_gpu_it_says_why_and_goes_on():
    step = Recorder()
    update = CapturedUpdate(step, torch.Generator())
    for value in range(WARM_UPS + 3):
        update(batch(value), ALL)
        update(batch(value), FEW)
    assert update.refusal.startswith("no CUDA graph")
    assert [reward for _, reward, _ in step.seen[::2]] == list(range(WARM_UPS + 3))


def test_a_graph_is_captured_once_per_kind_after_the_warm_up(monkeypatch):
    """With a stand-in for CUDA: what is captured is not run, what is replayed is."""
    replayed, modes = [], set()

    def capture(graph, capture_error_mode="global"):
        modes.add(capture_error_mode)
        return graph

    class Graph:
        def register_generator_state(self, generator):
            pass

        def replay(self):
            replayed.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(captured_update.torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(captured_update.torch.cuda, "graph", capture)
    step = Recorder()
    update = CapturedUpdate(step, torch.Generator())
    for _ in range(WARM_UPS + 4):
        update(batch(), ALL)
        update(batch(), FEW)
    assert len(step.seen) == 2 * (WARM_UPS + 1)  # the last of each kind was recorded
    assert len(replayed) == 2 * 4 and len(set(map(id, replayed))) == 2
    assert modes == {"thread_local"}  # the sampler's thread copies meanwhile
    update(batch(size=8), ALL)  # other memory: the graphs are of no use any more
    assert len(replayed) == 2 * 4


def test_on_a_cpu_the_step_runs_as_it_is():
    step = Recorder()
    assert fastest(step, torch.Generator()) is step
    assert Sac(CONFIG).graph_refusal == ""


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_updates_end_where_eager_ones_do(precision):
    config = replace(CONFIG, device="cuda", precision=precision)
    graph, eager = Sac(config), Sac(config)
    eager._run = eager._update
    for i in range(4 * WARM_UPS):
        graph.update(batch(i))
        eager.update(batch(i))
    assert graph.graph_refusal == "" and len(graph._run._graphs) == 2
    for name, tensor in graph.state().items():
        torch.testing.assert_close(eager.state()[name], tensor, atol=1e-4, rtol=1e-3)
