"""The monitor without ROS: lines, counts, limits, notices, files."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_bringup.core.film import FilmReel
from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.monitor import Monitor
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.run_record import MAX_CAUSES, Moments, RestartProofCount
from ur5_rl_bringup.core.samples import (
    ArmSample,
    EnvSample,
    Episode,
    Frame,
    LearnerSample,
    Timing,
)

LINE = re.compile(
    r"\| (train|eval) \| E: \d+ \| S: \d+ \| D: \d+\.\d s \| R: -?\d+\.\d{4} "
    r"\| BR: -?\d+\.\d{4} \| ALOSS: -?\d+\.\d{4} \| CLOSS: -?\d+\.\d{4} \| NUM: \d+"
    r"( \| END: .+)?"
)


def episode(number=1, **changes):
    values = {
        "run_id": 7,
        "episode": number,
        "end": "time_limit",
        "stamp_s": 5.0 * number,
        "return_sum": 100.0,
        "steps": 100,
        "policy_version": number,
        "duration_s": 4.0,
        "reset_s": 1.0,
        "missed_actions": 0,
        "held_observations": 0,
        "limited_steps": 0,
        "synchronisation_misses": 0,
        "transitions_sent": 101 * number,
    }
    return Episode(**(values | changes))


def timing(cycle_ms=(40.0, 40.0), policy_age_s=(0.1,)):
    def array(values):
        return np.array(values, np.float32)

    return Timing(
        cycle_ms=array(cycle_ms),
        lateness_ms=array([0.1, 0.2]),
        learner_wait_ms=array([]),
        observation_to_command_ms=array([2.0, 3.0]),
        policy_age_s=array(policy_age_s),
    )


def env(phase=EnvSample.RUNNING, waiting_for="", **changes):
    values = {
        "phase": phase,
        "waiting_for": waiting_for,
        "episode": 1,
        "step": 0,
        "transitions_sent": 0,
        "images_hz": 25.0,
        "joint_states_hz": 125.0,
    }
    return EnvSample(**(values | changes))


def arm(state=3, cause="", joint_states_hz=125.0):
    return ArmSample(state=state, cause=cause, joint_states_hz=joint_states_hz)


def learner(**changes):
    names = LearnerSample.__dataclass_fields__
    values = {name: 0 for name in names} | {"architecture": "async_2", "waiting_for": ""}
    return LearnerSample(**(values | changes))


class Run:
    """A monitor with its lines and points caught, and a clock that a test moves."""

    def __init__(self, tmp_path, **config):
        self.lines, self.points, self.now_s = [], [], 0.0
        self.config = MonitorConfig(run_dir=str(tmp_path), **config)
        self.monitor = Monitor(self.config, self.lines.append, self._point, 0.0)
        self.record = self.monitor.record
        self.report_path = tmp_path / "report.json"

    def _point(self, name, value, step):
        self.points.append((name, value, step))

    def hear(self, *samples):
        for sample in samples:
            self.monitor.receive(sample, self.now_s)

    def live(self, seconds, *samples):
        """Tick ten times a second; hear `samples` each time."""
        for _ in range(round(10 * seconds)):
            self.now_s += 0.1
            self.hear(*samples)
            self.monitor.tick(self.now_s)

    def report(self):
        self.monitor.write_report(self.now_s)
        return json.loads(self.report_path.read_text())


@pytest.fixture
def start(tmp_path):
    return lambda **config: Run(tmp_path, **config)


# The console line.


def test_the_line_is_the_original_one(start):
    run = start()
    run.hear(learner(updates=12, batch_reward=1.5, actor_loss=-2.25, critic_loss=0.5))
    run.hear((episode(steps=1000, duration_s=0.84, return_sum=3.5), timing()))
    assert run.lines == [
        "| train | E: 1 | S: 1000 | D: 0.8 s | R: 3.5000 | BR: 1.5000 "
        "| ALOSS: -2.2500 | CLOSS: 0.5000 | NUM: 12"
    ]


def test_without_a_learner_the_line_has_zeros(start):
    run = start(mode="eval", policy="servo")
    run.hear((episode(steps=1000, duration_s=0.8, return_sum=0.0), timing()))
    assert run.lines == [
        "| eval | E: 1 | S: 1000 | D: 0.8 s | R: 0.0000 | BR: 0.0000 "
        "| ALOSS: 0.0000 | CLOSS: 0.0000 | NUM: 0"
    ]


@given(
    return_sum=st.floats(-1e4, 1e4),
    duration_s=st.floats(0, 1e4),
    steps=st.integers(0, 2**32 - 1),
    loss=st.floats(-1e6, 1e6),
    cause=st.sampled_from(["time_limit", "camera silent"]),
)
def test_every_line_parses(return_sum, duration_s, steps, loss, cause):
    run = Run(Path("never written"))
    run.hear(learner(actor_loss=loss))
    finished = episode(
        return_sum=return_sum, duration_s=duration_s, steps=steps, end=cause
    )
    run.hear((finished, timing()))
    match = LINE.fullmatch(run.lines[0])
    assert match
    assert bool(match[2]) == (cause != "time_limit")


def test_an_episode_cut_short_is_named_and_not_in_the_mean(start):
    run = start()
    run.hear((episode(1, return_sum=200.0), timing()))
    run.hear((episode(2, return_sum=10.0, steps=7, end="camera silent"), timing()))
    assert run.lines[-1].endswith("| NUM: 0 | END: camera silent")
    report = run.report()
    assert report["mean_return"] == 200.0
    assert report["minimum"] == 200.0
    assert report["num_episodes"] == 2
    assert report["cut_short"] == {"camera silent": 1}
    assert [e["end"] for e in report["episodes"]] == ["time_limit", "camera silent"]


def test_counting_goes_on_when_env_node_starts_again(start):
    run = start()
    run.hear(env(transitions_sent=202), (episode(1), timing()), (episode(2), timing()))
    run.hear(env(transitions_sent=5, step=4))
    run.hear((episode(1, run_id=8, steps=50), timing()))
    assert re.search(r"E: 3 \| S: 250 ", run.lines[-1])
    report = run.report()
    assert report["env_starts"] == 2
    assert report["transitions"]["time_steps_sent"] == 207


def test_steps_of_the_running_episode_count_as_sent_once(start):
    run = start()
    run.hear((episode(1), timing()), env(step=30))
    assert run.record.transitions_sent == 130
    run.hear((episode(2), timing()))
    assert run.record.transitions_sent == 200


def test_fault_a_restarted_learner_does_not_lose_what_it_had_stored(start):
    run = start()
    run.hear(learner(transitions_received=300, transitions_lost=2))
    run.hear(learner(transitions_received=40, transitions_lost=1))
    assert run.report()["transitions"]["stored"] == 340
    assert run.report()["transitions"]["lost"] == 3


# The end of the run.


def test_the_run_ends_after_max_episodes_and_counts_no_more(start):
    run = start(policy="servo", max_episodes=2)
    run.hear((episode(1), timing()), (episode(2), timing()), (episode(3), timing()))
    run.live(0.1)
    assert run.monitor.ended_by == "2 episodes"
    assert run.report()["num_episodes"] == 2


def test_with_a_learner_the_end_waits_for_its_last_status(start):
    run = start(max_episodes=1)
    run.hear(learner(), (episode(1), timing()))
    run.live(0.5)
    assert run.monitor.ended_by is None
    run.live(0.1, learner(transitions_received=100))
    assert run.monitor.ended_by == "1 episodes"


def test_fault_a_dead_learner_does_not_hold_up_the_end(start):
    run = start(max_episodes=1)
    run.hear(learner(), (episode(1), timing()))
    run.live(1.7)
    assert run.monitor.ended_by == "1 episodes"


def test_the_run_ends_after_max_minutes(start):
    run = start(policy="zero", max_minutes=0.05)
    run.live(2.9)
    assert run.monitor.ended_by is None
    run.live(0.2)
    assert run.monitor.ended_by == "0.05 minutes"


def test_without_limits_the_run_does_not_end(start):
    run = start(policy="zero")
    run.hear((episode(1), timing()))
    run.live(100.0)
    assert run.monitor.ended_by is None


def test_the_summary_of_an_evaluation(start):
    run = start(mode="eval", policy="checkpoint")
    for number, value in enumerate((243.0, 290.0, 280.0), start=1):
        run.hear((episode(number, return_sum=value), timing()))
    run.monitor.finish(10.0, "3 episodes")
    # by hand: mean 271, deviations -28, 19, 9: sqrt((784 + 361 + 81) / 2 / 3) = 14.29
    expected = "mean 271.0 +- 14.3 (standard error), minimum 243.0, 3 episodes"
    assert expected in run.lines


def test_the_summary_of_a_long_run_tells_how_it_ended(start):
    run = start()
    for number in range(1, 31):
        run.hear((episode(number, return_sum=10.0 * number), timing()))
    run.monitor.finish(10.0, "30 episodes")
    assert "last 20 episodes: mean 205.0" in run.lines  # of 110, 120 .. 300


def test_the_summary_of_nothing_says_so(start):
    run = start()
    run.monitor.finish(1.0, "asked to stop")
    assert "no episode reached its time limit" in run.lines
    assert json.loads(run.report_path.read_text())["mean_return"] is None


def test_fault_an_end_that_cannot_be_written_is_said_and_drawn_first(start, tmp_path):
    (tmp_path / "file").touch()
    elsewhere = tmp_path / "file" / "r.json"
    run = start(mode="eval", policy="servo", report=str(elsewhere))
    run.hear((episode(return_sum=250.0), timing()))
    with pytest.raises(
        OSError, match=f"report not written to {elsewhere}: .*File exists"
    ):
        run.monitor.finish(10.0, "1 episodes")
    assert "return 250.0, one episode" in run.lines
    assert json.loads(run.report_path.read_text())["ended_by"] == "1 episodes"
    assert run.config.picture_path.is_file()
    written = [f"report: {run.report_path}", f"picture: {run.config.picture_path}"]
    assert run.lines[-2:] == written


def test_fault_all_that_could_not_be_written_is_named(start, tmp_path):
    run = start()
    run.report_path.mkdir()
    run.config.picture_path.mkdir()
    with pytest.raises(OSError, match=r"report not written .*; picture not written "):
        run.monitor.finish(10.0, "asked to stop")
    assert "no episode reached its time limit" in run.lines


# Notices.


def waits(run):
    return [line for line in run.lines if line.startswith("| wait | ")]


def test_it_says_what_has_not_been_heard(start):
    run = start(policy="zero")
    run.live(0.5)
    assert waits(run) == []
    run.live(1.0)
    assert waits(run) == ["| wait | env_node has not been heard yet"]
    run.live(50.0)
    assert len(waits(run)) == 1


def test_it_says_what_env_node_waits_for_at_a_change(start):
    run = start(policy="zero")
    run.live(2.0, env(EnvSample.WAITING, "image_raw"))
    run.live(8.0, env(EnvSample.WAITING, "joint_states"))
    assert waits(run) == [
        "| wait | env_node: image_raw",
        "| wait | env_node: joint_states",
    ]


def test_fault_a_reset_that_fails_again_and_again_is_said(start):
    run = start(policy="zero")
    for _ in range(20):  # the phases alternate: neither lasts
        run.live(0.1, env(EnvSample.RESETTING, "the arm"))
        run.live(0.5, env(EnvSample.WAITING, "reset failed: protective stop"))
    assert "| wait | env_node: reset failed: protective stop" in waits(run)
    assert len(waits(run)) <= 3


def test_an_ordinary_reset_and_episode_are_silent(start):
    run = start(policy="zero")
    for _ in range(5):
        run.live(2.0, env(EnvSample.RESETTING, "the arm"), arm(state=5))
        run.live(4.0, env(), arm())
    assert waits(run) == []


def test_fault_the_arm_out_of_order_is_named_with_its_cause(start):
    run = start(policy="zero")
    stopped = arm(state=7, cause="joint 2 hit something")
    run.live(3.0, env(EnvSample.WAITING, "the arm"), stopped)
    assert "| wait | arm_node: protective stop: joint 2 hit something" in waits(run)


def test_what_env_node_says_of_the_arm_is_not_said_again(start):
    run = start(policy="zero")
    waiting = env(EnvSample.WAITING, "arm: protective stop: look why")
    run.live(3.0, waiting, arm(state=7, cause="protective stop: look why"))
    assert waits(run) == ["| wait | env_node: arm: protective stop: look why"]


def test_a_cause_that_names_the_state_is_not_said_twice(start):
    run = start(policy="zero")
    run.live(3.0, env(), arm(state=7, cause="protective stop: look why"))
    assert waits(run) == ["| wait | arm_node: protective stop: look why"]


def test_fault_a_learner_that_falls_silent_is_said_once_and_its_return_too(start):
    run = start()
    run.live(1.0, env(), learner())
    run.live(20.0, env())
    assert waits(run) == ["| wait | learner_node silent for 5 s"]
    run.live(1.0, env(), learner())
    assert waits(run)[1:] == ["| wait | learner_node is heard again"]


def test_a_learner_that_collects_says_so_every_five_seconds(start):
    run = start()
    for second in range(20):
        text = f"{1000 - second} more transitions"
        run.live(1.0, env(), learner(waiting_for=text))
    assert len(waits(run)) == 4


def test_fault_a_loss_that_is_no_number_is_said(start):
    run = start()
    run.live(1.0, env(), learner(critic_loss=math.nan))
    assert waits(run) == ["| wait | learner_node: critic_loss is nan"]
    assert run.report()["learner"]["critic_loss"] is None


def test_fault_a_policy_that_stays_while_the_learner_learns_is_called_old(start):
    run = start()
    run.hear((episode(1), timing(policy_age_s=(0.1, 31.0))))
    run.live(1.0, env(), learner())
    assert waits(run) == ["| wait | policy is 31 s old"]


def test_without_a_learner_nobody_misses_one(start):
    run = start(policy="servo")
    run.live(20.0, env(), arm())
    assert waits(run) == []


# Files and curves.


def test_points_carry_units_and_the_step(start):
    run = start()
    run.hear((episode(1), timing(cycle_ms=(39.0, 41.0))), learner(critic_loss=0.5))
    points = {name: (value, step) for name, value, step in run.points}
    assert points["episode/return"] == (100.0, 100)
    assert points["timing/cycle_mean_ms"] == (40.0, 100)
    assert points["timing/cycle_p99_ms"][0] == pytest.approx(40.98)
    assert points["timing/lateness_p99_ms"][0] == pytest.approx(0.199)
    assert points["timing/observation_to_command_p50_ms"] == (2.5, 100)
    assert points["timing/policy_age_p50_s"][0] == pytest.approx(0.1)
    assert points["learner/critic_loss"] == (0.5, 100)
    assert "learner/waiting_for" not in points


def test_rates_are_written_once_a_second_while_an_episode_runs(start):
    run = start(policy="zero")
    run.live(10.0, env(), arm(joint_states_hz=124.0))
    rates = [value for name, value, _ in run.points if name == "rates/joint_states_hz"]
    assert 9 <= len(rates) <= 11
    assert set(rates) == {124.0}


def test_joint_states_count_while_an_episode_runs(start):
    run = start()
    run.hear(env(EnvSample.WAITING, "x"), arm(joint_states_hz=3.0))
    run.hear(env(), arm(joint_states_hz=125.0), arm(joint_states_hz=123.0))
    assert run.report()["joint_states_hz"] == 124.0
    assert run.report()["joint_states_hz_minimum"] == 123.0


def test_the_report_is_written_twice_a_minute(start):
    run = start(policy="zero")
    run.live(29.0)
    assert not run.report_path.exists()
    run.live(1.5)
    assert json.loads(run.report_path.read_text())["ended_by"] is None


def test_fault_a_full_disk_is_said_once_and_the_run_goes_on(start, tmp_path):
    (tmp_path / "file").write_text("")
    run = start(policy="zero", report=str(tmp_path / "file" / "r.json"))
    run.hear(env())
    run.live(100.0, env())
    complaints = [line for line in run.lines if "report not written" in line]
    assert len(complaints) == 1
    assert run.monitor.ended_by is None
    assert run.report_path.is_file()  # the other place takes it


def test_memory_is_bounded(start):
    run = start(max_listed_episodes=50)
    for number in range(1, 200):
        end = f"joint state {number} ms old" if number % 2 else "time_limit"
        run.hear((episode(number, end=end, return_sum=number), timing()))
    report = run.report()
    assert len(report["episodes"]) == 50
    assert report["num_episodes"] == 199
    assert report["mean_return"] == 100.0  # of 2, 4 .. 198
    assert report["mean_return_last_20"] == 179.0  # of 160, 162 .. 198
    assert len(report["cut_short"]) == MAX_CAUSES + 1
    assert sum(report["cut_short"].values()) == 100


# The parts.

numbers = st.lists(st.floats(0.0, 900.0), min_size=1, max_size=50)


@given(values=numbers, percent=st.floats(0.0, 100.0))
def test_percentiles_are_right_to_one_bin(values, percent):
    histogram = Histogram(0.05, 20_000)
    for value in values:
        histogram.add([value])
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert histogram.percentile(percent) == pytest.approx(exact, abs=0.0501)
    assert histogram.mean == pytest.approx(np.mean(values))
    assert histogram.maximum == max(values)


def test_beyond_the_last_bin_a_percentile_is_the_largest_value():
    histogram = Histogram(0.05, 20)
    histogram.add([0.5, 7.0, 9.0, np.nan, np.inf])
    assert histogram.count == 3
    assert histogram.percentile(99) == 9.0
    assert histogram.percentile(10) == pytest.approx(0.5, abs=0.05)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_moments_are_those_of_numpy(values):
    moments = Moments()
    for value in [*values, math.nan]:
        moments.add(value)
    standard_error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert moments.mean == pytest.approx(np.mean(values), abs=1e-6)
    assert moments.standard_error == pytest.approx(standard_error, abs=1e-6)
    assert moments.minimum == min(values)


@given(parts=st.lists(st.lists(st.integers(1, 1000), min_size=1), min_size=1))
def test_a_count_survives_restarts(parts):
    """Each part is one process, counting up from zero; it tells its zero first."""
    count = RestartProofCount()
    for part in parts:
        count.update(0)
        for value in np.repeat(np.cumsum(part), 2):  # told twice: nothing new
            count.update(int(value))
    assert count.total == sum(map(sum, parts))


def reel_with_frames(until_s):
    reel = FilmReel(5)
    for i in range(round(until_s * 10)):
        reel.add(Frame(0.1 * i, np.full((9, 16, 3), i % 256, np.uint8)))
    return reel


def test_the_film_shows_its_episode_at_even_times():
    reel = reel_with_frames(until_s=12.0)
    reel.on_episode(episode(stamp_s=10.05, duration_s=4.1), number=3)
    assert reel.film.number == 3
    assert reel.film.times_s == pytest.approx([0.05, 1.05, 2.05, 3.05, 4.05])
    assert [image[0, 0, 0] for image in reel.film.images] == [60, 70, 80, 90, 100]


def test_the_film_is_the_best_of_recent_episodes():
    reel = reel_with_frames(until_s=12.0)
    reel.on_episode(episode(return_sum=200.0), number=1)
    reel.on_episode(episode(return_sum=100.0), number=2)
    reel.on_episode(episode(return_sum=900.0, end="camera silent"), number=3)
    assert reel.film.number == 1
    reel.on_episode(episode(return_sum=201.0), number=4)
    assert reel.film.number == 4
    reel.on_episode(episode(return_sum=50.0), number=25)
    assert reel.film.number == 25


def test_fault_without_frames_there_is_no_film_and_an_old_one_stays():
    reel = FilmReel(5)
    reel.on_episode(episode(), number=1)
    assert reel.film is None
    reel = reel_with_frames(until_s=12.0)
    reel.on_episode(episode(), number=1)
    reel.on_episode(episode(stamp_s=100.0, return_sum=500.0), number=2)
    assert reel.film.number == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "test"),
        ("run_dir", ""),
        ("max_episodes", -1),
        ("max_minutes", math.nan),
        ("film_frames", 1),
        ("silence_s", 0.0),
    ],
)
def test_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        MonitorConfig(**{name: value})
