"""What is made of a soak: growth, losses, verdict, file, table and picture. No graph."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soaks import NODES, episode, soak, state, steady, use

from ur5_rl_experiments.core.soak_growth import growth, theil_sen, thinned
from ur5_rl_experiments.core.soak_losses import (
    lost_commands,
    lost_experience,
    messages,
    since_start,
)
from ur5_rl_experiments.core.soak_picture import draw_soak
from ur5_rl_experiments.core.soak_processes import process_growth, total_memory
from ur5_rl_experiments.core.soak_record import (
    EPISODE,
    SAMPLE,
    SoakRecord,
    end_line,
    header_line,
    line,
    read_lines,
)
from ur5_rl_experiments.core.soak_text import progress_line, table
from ur5_rl_experiments.core.soak_verdict import soak_report

HOUR_S = 3600.0
HOURS = "it runs for as long as it was asked to"


def missed(record):
    """Return the names of the bars that `record` does not meet."""
    return [bar["name"] for bar in soak_report(record)["bars"] if not bar["is_met"]]


# Growth ---------------------------------------------------------------------------------


@given(slope=st.floats(-100.0, 100.0), start=st.floats(-1000.0, 1000.0))
def test_the_slope_of_a_line_is_found(slope, start):
    x = np.linspace(0.0, 7.0, 40)
    assert theil_sen(x, start + slope * x) == pytest.approx(slope, abs=1e-6)


@given(st.lists(st.integers(0, 99), max_size=25), st.floats(-1e6, 1e6))
def test_a_quarter_of_points_far_off_moves_the_slope_little(places, far):
    x = np.arange(100.0)
    y = 3.0 * x + np.sin(x)
    y[places] += far
    assert theil_sen(x, y) == pytest.approx(3.0, abs=0.2)


def test_growth_by_hand():
    found = growth([0.0, 900.0, 1800.0, 2700.0, 3600.0, 4500.0], [1, 1, 2, 2, 3, 4])
    assert (found.start, found.end, found.largest, found.rise) == (1.0, 3.5, 4.0, 2.5)
    # The eighth of the 15 slopes is that of first and last point: 3 in 4500 s.
    assert found.per_h == pytest.approx(2.4)


def test_of_few_points_nothing_is_said():
    assert growth([0.0, 1.0, 2.0], [5.0, 9.0, 7.0]) == (None, None, 9.0, None)
    assert growth([], []) == (None, None, None, None)


def test_thinning_keeps_ends_and_slope():
    x = np.arange(10_000.0)
    few_x, few_y = thinned(x, 2.0 * x, 300)
    assert len(few_x) == 300
    np.testing.assert_allclose(few_y, 2.0 * few_x)
    assert (few_x[0], few_x[-1]) == (pytest.approx(16.5), pytest.approx(9983.0, abs=1.0))


# Bars -----------------------------------------------------------------------------------


def test_a_soak_in_which_nothing_happens_meets_every_bar():
    report = soak_report(soak())
    assert report["is_met"], report["bars"]
    assert report["total"]["resident_mb"]["per_h"] == pytest.approx(0.0, abs=1e-9)
    assert report["hours_judged"] == pytest.approx(2.0 - 1.0 / 3.0)
    assert report["processes"]["env_node"]["cpu_share"] == pytest.approx(0.2)
    assert report["updates_per_s"] == pytest.approx(40.0)
    assert report["replay"] == {
        "capacity": 7200, "size_at_end": 7200, "full_after_s": 360.0,
    }  # fmt: skip
    assert report["cycle"]["lateness_ms"]["p99"] == 1.0
    assert report["messages"]["rates_hz"]["joint_states"]["heard"] == 124.5
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize(("mb_per_h", "is_met"), [(49.0, True), (51.0, False)])
def test_memory_may_grow_by_50_mb_an_hour(mb_per_h, is_met):
    record = soak(
        processes=lambda t: steady(t, resident_mb=100.0 + mb_per_h * t / HOUR_S)
    )
    assert total_memory(record).per_h == pytest.approx(mb_per_h)
    assert process_growth(record, "learner_node").resident_mb.per_h == 0.0
    assert ("resident memory grows by less than 50 MB/h" in missed(record)) != is_met


def test_what_grows_during_the_warm_up_alone_is_not_judged():
    record = soak(processes=lambda t: steady(t, resident_mb=min(t, 1200.0)))
    assert missed(record) == []


def test_replay_frames_can_be_told_apart():
    frame_mb = 6912 / 1e6

    def graph(time_s):
        return state(time_s, buffer_size=int(time_s))

    record = soak(
        processes=lambda t: steady(t, resident_mb=100.0 + frame_mb * int(t)), graph=graph
    )
    assert total_memory(record).per_h == pytest.approx(frame_mb * HOUR_S)
    without = total_memory(record, without_frames=True)
    assert without.per_h == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("what", ["descriptors", "threads"])
def test_fault_one_descriptor_or_thread_more_is_seen(what):
    record = soak(processes=lambda t: steady(t, **{what: 24 + (t > 4000.0)}))
    assert missed(record) == [f"{what} do not become more"]


def test_a_file_that_is_open_now_and_then_is_no_leak():
    record = soak(processes=lambda t: steady(t, descriptors=24 + (t % 60.0 == 0.0)))
    assert missed(record) == []


def test_fault_a_node_that_was_started_again_is_seen():
    record = soak(processes=lambda t: steady(t, pid=1 + (t > 3000.0)))
    assert missed(record) == ["no node is started again"]
    assert process_growth(record, "env_node").restarts == 1
    assert process_growth(record, "env_node").cpu_share is None


def test_fault_a_node_that_never_came_back_is_seen():
    def processes(time_s):
        return steady(time_s) if time_s < 7000.0 else {"env_node": use()}

    assert "no node is started again" in missed(soak(processes=processes))


def test_fault_a_graph_that_ended_by_itself_is_seen():
    record = soak()
    record.ended_by, record.is_complete = "the graph ended with exit code 1", False
    assert missed(record) == ["the graph runs until it is asked to end", HOURS]


def test_fault_a_soak_that_was_stopped_before_its_time_meets_no_bar_of_hours():
    record = soak(hours=1.0)
    record.header = replace(record.header, hours=8.0)
    record.ended_by, record.is_complete = "asked to end", False
    assert missed(record) == [HOURS]
    said = "\n".join(table(soak_report(record)))
    assert f"not judged {HOURS}: 1.00 h of 8 h" in said


def test_a_soak_that_ended_within_the_warm_up_meets_no_bar_that_needs_more():
    report = soak_report(soak(hours=0.2))
    assert not report["is_met"]
    judged = {bar["name"]: bar["is_met"] for bar in report["bars"]}
    assert judged["resident memory grows by less than 50 MB/h"] is None
    assert judged["descriptors do not become more"] is None
    assert judged["no transition is lost"] is True


# Losses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "time_steps_lost",
        "time_steps_refused",
        "time_steps_incomplete",
        "inbox_overflowed",
    ],
)
def test_fault_each_way_to_lose_a_time_step_is_seen(name):
    record = soak(hours=1.0, graph=lambda t: state(t, **{name: int(t > 2000.0)}))
    assert lost_experience(record) == {name: 1}
    assert missed(record) == ["no transition is lost"]


def test_fault_a_transition_that_nobody_counts_as_lost_is_missed_all_the_same():
    record = soak(hours=1.0)
    record.episodes[7] = episode(40.0, steps=5000)
    assert lost_experience(record)["transitions_missing"] > 0


def test_transitions_of_the_newest_episode_may_still_be_on_their_way():
    record = soak(hours=1.0)
    record.episodes.append(episode(3600.0, steps=5000))
    assert lost_experience(record) == {}


def test_a_learner_that_has_not_started_yet_misses_nothing_and_meets_no_bar():
    record = soak(hours=1.0, graph=lambda t: state(t, transitions_received=0))
    assert lost_experience(record) == {}
    assert missed(record) == ["no transition is lost"]


def test_fault_time_steps_that_never_reach_the_disk_are_overdue():
    def graph(time_s):
        sent = int(20 * time_s)
        return state(time_s, time_steps_acknowledged=min(sent, 40_000))

    assert lost_experience(soak(hours=1.0, graph=graph)) == {
        "time_steps_overdue": 20 * (3600 - 60) - 40_000
    }


def test_time_steps_may_take_a_minute_to_the_disk():
    def graph(time_s):
        return state(time_s, time_steps_acknowledged=max(0, int(20 * (time_s - 59.0))))

    assert lost_experience(soak(hours=1.0, graph=graph)) == {}


def test_counters_go_on_where_a_process_begins_anew():
    record = soak(hours=1.0, graph=lambda t: state(t, updates=int(t % 1800.0)))
    # Two lives of 1790 updates, and one that has just begun.
    assert since_start(record, "updates") == 2 * 1790


def test_commands_that_never_arrive_are_lost_and_refused_ones_are_not():
    def graph(time_s, refused):
        accepted = int(20 * time_s) - int(time_s // 10)
        return state(time_s, commands_accepted=accepted, commands_refused=refused(time_s))

    silent = soak(hours=1.0, graph=lambda t: graph(t, lambda _: 0))
    assert lost_commands(silent) == 360
    heard = soak(hours=1.0, graph=lambda t: graph(t, lambda t: int(t // 10)))
    assert lost_commands(heard) == 0
    assert messages(heard)["commands_refused"] == 360


def test_rates_that_nobody_spoke_of_are_unknown_not_zero():
    def graph(time_s):
        return state(time_s, images_heard_hz=None if time_s % 20.0 else 25.0)

    found = messages(soak(hours=1.0, graph=graph))["rates_hz"]
    assert found["images"] == {"published": 25.0, "heard": 25.0}
    silent = soak(hours=1.0, graph=lambda t: state(t, images_heard_hz=None))
    assert messages(silent)["rates_hz"]["images"]["heard"] is None
    assert "images heard at - of 25.0 Hz" in "\n".join(table(soak_report(silent)))


# File, text, picture --------------------------------------------------------------------


def lines_of(record):
    yield header_line(record.header)
    yield from (line(SAMPLE, sample.as_json()) for sample in record.samples)
    yield from (line(EPISODE, e._asdict()) for e in record.episodes)
    yield end_line(record.ended_by, is_complete=record.is_complete)


def test_what_is_written_is_read_again():
    record = soak(hours=0.5)
    assert read_lines(lines_of(record)) == record


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_fault_a_record_that_was_cut_gives_what_came_before(cut):
    whole = list(lines_of(soak(hours=0.5)))
    lines = [*whole[:80], whole[80][:-cut]]
    record = read_lines(lines)
    assert len(record.samples) == 79
    assert (record.ended_by, record.is_complete) == ("", False)
    assert "no end was written" in "\n".join(table(soak_report(record)))


@pytest.mark.parametrize("lines", [[], [end_line("x", is_complete=True)]])
def test_fault_a_record_without_a_header_is_refused(lines):
    with pytest.raises(ValueError, match="header"):
        read_lines(lines)


def test_the_table_names_every_process_and_every_bar():
    record = soak(processes=lambda t: steady(t, resident_mb=100.0 + t / 36.0))
    text = "\n".join(table(soak_report(record)))
    assert all(name in text for name in NODES)
    assert "MISSED     resident memory grows by less than 50 MB/h: +100.0 MB/h" in text
    assert "2.00 h of 2 h: reached" in text
    assert "joint states heard at 124.5 of 125.0 Hz" in text


@pytest.mark.parametrize("samples", [0, 3])
def test_a_soak_of_no_or_few_samples_can_be_shown(samples, tmp_path):
    record = soak(hours=0.5)
    few = SoakRecord(record.header, record.samples[:samples])
    assert not soak_report(few)["is_met"]
    assert table(soak_report(few))
    draw_soak(few, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


def test_a_soak_is_drawn_and_told_in_a_line(tmp_path):
    record = soak(processes=lambda t: steady(t, resident_mb=100.0 + t / 36.0))
    draw_soak(record, tmp_path / "folder" / "soak.png")
    assert (tmp_path / "folder" / "soak.png").stat().st_size > 10_000
    said = progress_line(record)
    assert "120.0 min | 2 processes" in said
    assert said.endswith("late p99 1.00 ms | lost 0")
