"""What the meter of a soak makes of what it hears."""

from types import SimpleNamespace

from ur5_rl_experiments.soak.meter import Meter
from ur5_rl_interfaces.msg import EpisodeSummary


class FakeEar:
    """Has heard summaries; more of them come while somebody looks."""

    def __init__(self):
        self.heard = []  # (instant [ns], message)
        self.comes_while_looking = []

    def all_since(self, kind, start_ns):
        if kind is EpisodeSummary:
            self.heard += self.comes_while_looking
            self.comes_while_looking = []
        return [m for at_ns, m in self.heard if isinstance(m, kind) and at_ns >= start_ns]

    def newest(self, kind):
        return None

    def value(self, node, key):
        return ""


def test_fault_an_episode_that_ends_while_the_meter_looks_is_counted_once():
    ear = FakeEar()
    meter = Meter(SimpleNamespace(child=SimpleNamespace(pid=2**30)), ear)
    now_ns = meter._started_ns + 10**9
    first, second = (EpisodeSummary(run_id=1, episode=n, steps=n) for n in (1, 2))
    ear.heard = [(now_ns, first)]
    ear.comes_while_looking = [(now_ns + 10**6, second)]  # after the look began
    counted = [episode.steps for _ in range(3) for episode in meter.look()[1]]
    assert counted == [1, 2]
