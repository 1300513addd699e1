"""A soak that never ran: hours of samples, with a leak or a loss where asked."""

from ur5_rl_experiments.core.soak_record import (
    EpisodeCycles,
    GraphState,
    Header,
    ProcessUse,
    Sample,
    SoakRecord,
)

PERIOD_S = 10.0
STEPS_PER_S = 20  # 100 time steps in 5 s, the first of which makes no transition
NODES = {"env_node": 100.0, "learner_node": 500.0}  # MB


def use(pid=1, resident_mb=100.0, descriptors=24, threads=15, cpu_s=0.0):
    return ProcessUse(pid, resident_mb, descriptors, threads, cpu_s)


def state(time_s, **changes):
    """Return a graph from which nothing is lost; all that was sent has arrived."""
    sent = int(STEPS_PER_S * time_s)
    counts = GraphState(
        updates=2 * sent,
        buffer_size=min(sent, 7200),
        transitions_received=sent,
        time_steps_sent=sent,
        time_steps_acknowledged=sent,
        observations_answered=sent,
        commands_accepted=sent,
        joint_states_published_hz=125.0,
        joint_states_heard_hz=124.5,
        images_published_hz=25.0,
        images_heard_hz=25.0,
    )
    return counts._replace(**changes)


def episode(time_s, steps=99, lateness_ms=1.0):
    return EpisodeCycles(
        time_s=time_s, end="time_limit", steps=steps, missed_actions=1,
        synchronisation_misses=0, cycle_ms=(40.0,) * steps,
        lateness_ms=(lateness_ms,) * steps, obs_to_command_ms=(3.0,) * steps,
    )  # fmt: skip


def soak(hours=2.0, processes=None, graph=state, episode_s=5.0):
    """Return a soak of `hours`; `processes(time_s)` and `graph(time_s)` fill its samples.

    By default nothing grows after the start.
    """
    header = Header(hours, 1200.0, 7200, 6912, ("--seed", "0"), {"cpus": 2})
    processes = processes or steady
    times_s = [PERIOD_S * k for k in range(int(3600.0 * hours / PERIOD_S) + 1)]
    samples = [Sample(t, processes(t), graph(t)) for t in times_s]
    episodes = [
        episode(k * episode_s) for k in range(1, int(3600.0 * hours / episode_s) + 1)
    ]
    return SoakRecord(header, samples, episodes, "its time was up", is_complete=True)


def steady(time_s, **changes):
    """Return processes that stay as they are, but for `changes` of env_node."""
    uses = {
        name: use(pid, mb, cpu_s=0.2 * time_s)
        for pid, (name, mb) in enumerate(NODES.items(), 1)
    }
    return uses | {"env_node": uses["env_node"]._replace(**changes)}
