"""The watch without ROS and clock: which silence is told, and when, and for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ur5_rl_bringup.core.watch import MAX_NAME, MAX_NODES, Beat, Silence, Watch
from ur5_rl_bringup.core.watch_config import WatchConfig
from ur5_rl_interfaces.msg import (
    LearnerStatus,
    LearnerTurn,
    PolicyParameters,
    Transition,
    TransitionAck,
)

MS = 1_000_000
BEAT_MS, TICK_MS = 50, 20
CONFIG = WatchConfig(nodes=("env_node", "actor_node", "learner_node"))
STARTED_MS = 1_200  # all have settled by then


class Graph:
    """Nodes that beat, and the watch that listens; a step is a millisecond."""

    def __init__(self, *nodes, config=CONFIG):
        self.now_ms = 0
        self.watch = Watch(config, 0)
        self.verdict = self.watch.look(0)
        self.sessions = dict.fromkeys(nodes, 1)
        self.hangs = set()  # nodes that do not beat
        self.loops_ms = {}  # node: when its loop stopped to come round

    def run(self, until_ms):
        """Let time pass; return when the verdict changed: (instant [ms], text)."""
        changes = []
        while self.now_ms < until_ms:
            self.now_ms += 1
            if self.now_ms % BEAT_MS == 0:
                for node in self.sessions.keys() - self.hangs:
                    self.beat(node)
            if self.now_ms % TICK_MS == 0:
                before, self.verdict = self.verdict, self.look()
                if before.kinds != self.verdict.kinds:
                    changes.append((self.now_ms, self.verdict.text))
        return changes

    def beat(self, node):
        loop_ms = self.loops_ms.get(node, self.now_ms)
        beat = Beat(
            node=node,
            session=self.sessions[node],
            steady_ns=self.now_ms * MS,
            loop_steady_ns=loop_ms * MS,
        )
        self.watch.on_beat(beat, self.now_ms * MS)

    def look(self):
        return self.watch.look(self.now_ms * MS)


@pytest.fixture
def graph():
    """Return a graph of three nodes that have beaten for long enough."""
    graph = Graph("env_node", "actor_node", "learner_node")
    assert graph.run(STARTED_MS) == []
    return graph


def test_nothing_is_asked_while_all_beat(graph):
    assert graph.run(10_000) == []
    assert graph.verdict.stop_reason == graph.verdict.text == ""
    assert set(graph.watch.states().values()) == {"alive"}


@pytest.mark.parametrize("node", CONFIG.stopping_nodes)
def test_fault_a_silent_node_is_named_within_a_quarter_of_a_second(node):
    graph = Graph(node, "learner_node")
    graph.run(STARTED_MS)
    graph.hangs = {node}
    ((at_ms, text),) = graph.run(3_000)
    assert 200 < at_ms - STARTED_MS <= 225  # the last beat was at STARTED_MS
    assert text.startswith(f"{node} has been silent for 0.2")
    assert graph.verdict.stop_reason == graph.verdict.text
    assert "silent for 1.80 s" in graph.verdict.text  # it goes on counting
    states = graph.watch.states()
    assert (states[node], states["learner_node"]) == ("callbacks silent", "alive")


def test_fault_a_loop_that_stands_still_is_named_although_its_callbacks_run(graph):
    graph.loops_ms["env_node"] = STARTED_MS
    ((at_ms, text),) = graph.run(3_000)
    # Beats of 250 and 300 ms of age are too late; between two of them it is not known.
    assert 200 < at_ms - STARTED_MS <= 320
    assert text == "env_node: its loop has stood still for 0.30 s"
    assert graph.verdict.stop_reason


def test_a_request_is_taken_back_when_the_node_beats_again(graph):
    graph.hangs = {"actor_node"}
    graph.run(5_000)
    graph.hangs = set()
    ((at_ms, text),) = graph.run(8_000)
    assert at_ms <= 5_000 + BEAT_MS + TICK_MS
    assert text == graph.verdict.stop_reason == ""
    graph.hangs = {"actor_node"}  # and it is watched on
    assert len(graph.run(9_000)) == 1


def test_a_loop_that_comes_round_again_is_forgiven(graph):
    graph.loops_ms["env_node"] = STARTED_MS
    graph.run(3_000)
    del graph.loops_ms["env_node"]
    ((at_ms, text),) = graph.run(5_000)
    assert (at_ms <= 3_000 + BEAT_MS + TICK_MS, text) == (True, "")


def test_a_restarted_node_is_a_new_session_and_may_take_its_time(graph):
    graph.hangs = {"env_node"}
    graph.run(3_000)
    graph.sessions["env_node"], graph.hangs = 2, set()
    assert [text for _, text in graph.run(3_100)] == [""]
    graph.hangs = {"env_node"}  # it starts: it still imports, or connects
    assert graph.run(6_000) == []
    assert graph.watch.states()["env_node"] == "starts"
    graph.hangs = set()
    graph.run(7_200)
    assert graph.watch.states()["env_node"] == "alive"
    graph.hangs = {"env_node"}
    assert len(graph.run(8_000)) == 1


def test_who_is_expected_and_was_never_heard_is_told(graph):
    assert Watch(CONFIG, 0).states() == dict.fromkeys(CONFIG.nodes, "not heard yet")


@pytest.mark.parametrize("beats_ms", [0, 50, 500, 950])
def test_before_a_node_has_settled_nothing_is_asked(beats_ms):
    graph = Graph("env_node")
    graph.run(beats_ms)
    graph.hangs = {"env_node"}
    assert graph.run(beats_ms + 5_000) == []


def test_a_start_with_gaps_settles_after_the_last_gap():
    graph = Graph("env_node")
    graph.run(900)
    graph.hangs = {"env_node"}
    graph.run(1_500)
    graph.hangs = set()
    graph.run(2_400)
    graph.hangs = {"env_node"}
    assert graph.run(3_000) == []


def test_a_loop_that_has_not_begun_yet_may_stand_still():
    graph = Graph("arm_node")
    graph.loops_ms["arm_node"] = 100  # it connects
    assert graph.run(5_000) == []
    assert graph.watch.states()["arm_node"] == "starts"
    del graph.loops_ms["arm_node"]
    graph.run(6_200)
    graph.loops_ms["arm_node"] = 6_200
    assert len(graph.run(7_000)) == 1


def test_a_learner_is_told_of_late_and_never_stops_the_arm(graph):
    graph.hangs = {"learner_node"}
    ((at_ms, text),) = graph.run(10_000)
    assert 5_000 < at_ms - STARTED_MS <= 5_025
    assert "learner_node has been silent for 5.0" in text
    assert graph.verdict.stop_reason == ""


def test_each_silent_node_is_named(graph):
    graph.hangs = {"actor_node", "env_node"}
    graph.run(2_000)
    assert "actor_node has" in graph.verdict.stop_reason
    assert "env_node has" in graph.verdict.stop_reason
    assert graph.verdict.kinds == {
        ("actor_node", Silence.CALLBACKS),
        ("env_node", Silence.CALLBACKS),
    }
    graph.hangs = {"env_node"}
    graph.run(2_100)
    assert "actor_node" not in graph.verdict.stop_reason
    assert "env_node" in graph.verdict.stop_reason


def test_a_pause_of_the_whole_machine_is_nobodys_fault(graph):
    for _ in range(20):
        graph.now_ms += 400  # nobody ran, not the watch either
        assert graph.look().text == ""
        graph.run(graph.now_ms + 200)
        assert graph.verdict.text == ""


def test_after_a_pause_one_beat_may_come_before_the_loop_had_its_turn(graph):
    graph.loops_ms["env_node"] = graph.now_ms
    graph.now_ms += 400
    graph.beat("env_node")
    del graph.loops_ms["env_node"]
    assert graph.run(graph.now_ms + 500) == []


def test_fault_a_node_that_dies_in_a_pause_of_the_machine_is_still_found(graph):
    graph.hangs = {"env_node"}
    resumed_ms = graph.now_ms = graph.now_ms + 400
    ((at_ms, _),) = graph.run(resumed_ms + 400)
    assert at_ms - resumed_ms <= 220


def test_an_action_cycle_that_is_long_makes_the_limit_longer():
    assert WatchConfig(action_period_s=0.04).limit_s("env_node") == 0.2
    assert WatchConfig(action_period_s=0.3).limit_s("env_node") == pytest.approx(0.9)
    assert WatchConfig(action_period_s=0.3).limit_s("learner_node") == 5.0


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"stop_limit_s": 0.03}, "stop_limit_s"),
        ({"report_limit_s": 0.0}, "report_limit_s"),
        ({"tick_period_s": -0.02}, "tick_period_s"),
        ({"settle_s": float("nan")}, "settle_s"),
        ({"clock_jump_s": float("inf")}, "clock_jump_s"),
    ],
)
def test_fault_a_wrong_parameter_is_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        WatchConfig(**wrong)


@settings(max_examples=50, deadline=None)
@given(
    gaps_ms=st.lists(st.integers(1, 150), min_size=40, max_size=80),
    pauses=st.sets(st.integers(0, 39), max_size=5),
    pause_ms=st.integers(0, 3_000),
)
def test_beats_that_come_often_enough_never_stop_the_arm(gaps_ms, pauses, pause_ms):
    """Whatever the rhythm of the beats, whenever the machine pauses."""
    graph = Graph("env_node")
    graph.hangs = {"env_node"}  # this test beats for it
    graph.run(1)
    for index, gap_ms in enumerate(gaps_ms):
        graph.beat("env_node")
        if index in pauses:
            graph.now_ms += pause_ms
        assert graph.run(graph.now_ms + gap_ms) == []
        assert graph.verdict.text == ""


def test_fault_names_without_end_or_number_are_refused_and_the_nodes_stay_watched():
    watch = Watch(CONFIG, 0)

    def beat(name):
        watch.on_beat(Beat(node=name, session=1, steady_ns=0, loop_steady_ns=0), 0)

    beat("x" * (MAX_NAME + 1))
    for number in range(MAX_NODES + 10):
        beat(f"nobody_{number}")
    beat("env_node")  # expected: there is always room for it
    assert watch.refused == 11
    assert len(watch.states()) == MAX_NODES + len(CONFIG.nodes)
    assert watch.states()["env_node"] == "starts"


@pytest.mark.parametrize("ahead_s", [-1_000_000, 1_000_000])
def test_a_learner_on_a_machine_with_another_steady_clock_is_alive(ahead_s):
    graph = Graph("env_node", "actor_node")
    for now_ms in range(0, 3_000, BEAT_MS):
        graph.run(now_ms)
        far_ns = now_ms * MS + ahead_s * 1_000_000_000
        beat = Beat(
            node="learner_node", session=9, steady_ns=far_ns, loop_steady_ns=far_ns
        )
        graph.watch.on_beat(beat, now_ms * MS)
    assert graph.watch.states()["learner_node"] == "alive"
    ((_, text),) = graph.run(9_000)  # now it is silent: told, and nothing stops
    assert "learner_node has been silent for 5" in text
    assert graph.verdict.stop_reason == ""


def test_what_the_learner_sends_carries_no_instant_of_its_steady_clock():
    sent = (LearnerStatus, LearnerTurn, PolicyParameters, TransitionAck)
    fields = {name for kind in sent for name in kind.get_fields_and_field_types()}
    assert not {name for name in fields if "steady" in name}
    received = Transition.get_fields_and_field_types()
    assert not {name for name in received if "steady" in name}
