"""The lines a person reads: one per episode in the original's form, a few at the end."""

from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.run_record import RECENT_RETURNS, Moments, RunRecord
from ur5_rl_bringup.core.samples import Episode


def episode_line(mode: str, record: RunRecord, episode: Episode) -> str:
    """Return the line of an episode that `record` has already counted.

    E episodes, S environment steps, D duration of this episode, R its return, BR mean
    reward of the learner's last batch, ALOSS and CLOSS its losses, NUM gradient updates.
    """
    learner = record.learner
    batch_reward = learner.batch_reward if learner else 0.0
    actor_loss = learner.actor_loss if learner else 0.0
    critic_loss = learner.critic_loss if learner else 0.0
    line = (
        f"| {mode} | E: {record.num_episodes} | S: {record.total_env_steps} "
        f"| D: {episode.duration_s:.1f} s | R: {episode.return_sum:.4f} "
        f"| BR: {batch_reward:.4f} | ALOSS: {actor_loss:.4f} "
        f"| CLOSS: {critic_loss:.4f} | NUM: {record.updates}"
    )
    return line if episode.is_complete else f"{line} | END: {episode.end}"


def summary_lines(record: RunRecord, config: MonitorConfig, wall_s: float) -> list[str]:
    """Return what a person wants to know when the run is over."""
    lines = [
        f"{config.task}, {config.policy}, seed {config.seed}: {record.num_episodes} "
        f"episodes, {record.total_env_steps} steps, {record.updates} updates "
        f"in {wall_s:.0f} s",
        return_line(record.returns),
    ]
    if record.returns.count > RECENT_RETURNS:
        mean = record.mean_return_last_20
        lines.append(f"last {RECENT_RETURNS} episodes: mean {mean:.1f}")
    if record.cut_short:
        causes = ", ".join(f"{end} ({n})" for end, n in record.cut_short.most_common(5))
        lines.append(f"cut short, not in the means: {causes}")
    return lines + _timing_lines(record) + _transition_lines(record, config)


def return_line(returns: Moments) -> str:
    """Return mean, standard error and minimum of the complete episodes' returns."""
    if returns.mean is None:
        return "no episode reached its time limit"
    if returns.standard_error is None:
        return f"return {returns.mean:.1f}, one episode"
    return (
        f"mean {returns.mean:.1f} +- {returns.standard_error:.1f} (standard error), "
        f"minimum {returns.minimum:.1f}, {returns.count} episodes"
    )


def _timing_lines(record: RunRecord) -> list[str]:
    lines = []
    if record.joint_states_hz.mean is not None:
        lines.append(
            f"joint states {record.joint_states_hz.mean:.1f} Hz "
            f"(least {record.joint_states_hz.minimum:.1f})"
        )
    if record.cycle_ms.count:
        lines += [
            f"action cycle {_distribution(record.cycle_ms)}",
            f"lateness {_distribution(record.lateness_ms)}",
        ]
    if record.observation_to_command_ms.count:
        lines.append(
            f"observation to command {_distribution(record.observation_to_command_ms)}"
        )
    return lines


def _distribution(values: Histogram) -> str:
    return (
        f"mean {values.mean:.2f}, p50 {values.percentile(50):.2f}, "
        f"p99 {values.percentile(99):.2f}, max {values.maximum:.2f} ms"
    )


def _transition_lines(record: RunRecord, config: MonitorConfig) -> list[str]:
    if not config.expects_learner and record.learner is None:
        return []
    return [
        f"transitions: {record.transitions_sent} sent, {record.stored.total} stored, "
        f"{record.lost.total} lost"
    ]
