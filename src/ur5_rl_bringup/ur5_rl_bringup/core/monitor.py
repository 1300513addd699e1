"""The run's face without ROS and clock: samples and time in, lines and files out."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ur5_rl_bringup.core import console, notices, scalars
from ur5_rl_bringup.core.film import FilmReel
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.picture import save_picture
from ur5_rl_bringup.core.report import report, write_json
from ur5_rl_bringup.core.run_record import RunRecord
from ur5_rl_bringup.core.samples import (
    ArmSample,
    EnvSample,
    Episode,
    Frame,
    LearnerSample,
    Timing,
)

LAST_STATUS_WAIT_S = 1.5  # the learner tells once a second what it has stored
RATES_PERIOD_S = 1.0

Sample = tuple[Episode, Timing] | EnvSample | ArmSample | LearnerSample | Frame
Say = Callable[[str], None]
WriteScalar = Callable[[str, float, int], None]  # name, value, environment step
Output = tuple[str, Path, Callable[[], None]]  # what it is, its place, what writes it


class Monitor:
    """Counts the run, tells of it, writes it down. Owned by one thread.

    Args:
        config: What goes where, and when the run is over.
        say: Prints one line.
        write_scalar: Writes one point of a curve.
        now_s: Start of the run [s]; the same steady clock everywhere.

    """

    def __init__(
        self, config: MonitorConfig, say: Say, write_scalar: WriteScalar, now_s: float
    ) -> None:
        self.record = RunRecord(config.max_listed_episodes)
        self._config = config
        self._say = say
        self._write_scalar = write_scalar
        self._reel = FilmReel(config.film_frames)
        self._speaker = notices.Speaker()
        self._heard_at = notices.HeardAt()
        self._started_s = now_s
        self._report_due_s = now_s + config.report_period_s
        self._rates_due_s = now_s
        self._complaint = ""
        self._last_episode_s: float | None = None  # when the last wanted one arrived
        self.ended_by: str | None = None

    def receive(self, sample: Sample, now_s: float) -> None:
        """Take one message into account."""
        match sample:
            case (episode, timing):
                self._on_episode(episode, timing, now_s)
            case Frame():
                self._reel.add(sample)
            case EnvSample():
                self._heard_at.env_node = now_s
                self.record.on_env(sample)
            case ArmSample():
                self._heard_at.arm_node = now_s
                self.record.on_arm(sample)
            case LearnerSample():
                self._heard_at.learner_node = now_s
                self.record.on_learner(sample)
                self._write(scalars.learner_scalars(sample))

    def tick(self, now_s: float) -> None:
        """Say and write what is due; a few times a second."""
        for line in self._speaker.lines(
            notices.notices(self.record, self._heard_at, self._config, now_s), now_s
        ):
            self._say(line)
        if now_s >= self._rates_due_s:
            self._rates_due_s = now_s + RATES_PERIOD_S
            self._write_rates()
        if now_s >= self._report_due_s:
            self._report_due_s = now_s + self._config.report_period_s
            self._write_report_or_say_why(now_s)
        self.ended_by = self._end(now_s)

    def finish(self, now_s: float, ended_by: str) -> None:
        """Say what came out, write the last report, draw the picture.

        Each of them whatever becomes of the others: a run may have taken hours.

        Raises:
            OSError: names all that could not be written.
        """
        self._say(f"run ended: {ended_by}")
        wall_s = now_s - self._started_s
        for line in console.summary_lines(self.record, self._config, wall_s):
            self._say(line)
        picture = ("picture", self._config.picture_path, self.save_picture)
        written, problems = _try_each([*self._reports(now_s, ended_by), picture])
        for line in written:
            self._say(line)
        if problems:
            raise OSError("; ".join(problems))

    def write_report(self, now_s: float, ended_by: str | None = None) -> None:
        """Write the report, everywhere it should be.

        Raises:
            OSError: names each place where it could not be written.
        """
        _, problems = _try_each(self._reports(now_s, ended_by))
        if problems:
            raise OSError("; ".join(problems))

    def save_picture(self) -> None:
        """Draw the run so far; takes about a second.

        Raises:
            OSError: it could not be written.
        """
        path = self._config.picture_path
        save_picture(path, self.record, self._reel.film, self._config)

    def _reports(self, now_s: float, ended_by: str | None) -> list[Output]:
        wall_s = now_s - self._started_s
        document = report(self.record, self._config, wall_s=wall_s, ended_by=ended_by)
        paths = self._config.report_paths
        return [("report", path, partial(write_json, path, document)) for path in paths]

    def _on_episode(self, episode: Episode, timing: Timing, now_s: float) -> None:
        if self._last_episode_s is not None:
            return  # it began after the last one that was asked for
        self.record.on_episode(episode, timing)
        self._reel.on_episode(episode, self.record.num_episodes)
        self._say(console.episode_line(self._config.mode, self.record, episode))
        self._write(scalars.episode_scalars(episode, timing))
        if self.record.num_episodes == self._config.max_episodes:
            self._last_episode_s = now_s

    def _end(self, now_s: float) -> str | None:
        """Return what ends the run now; None while it goes on."""
        config, last_s = self._config, self._last_episode_s
        if last_s is not None:
            heard_s = self._heard_at.learner_node
            is_told = not config.expects_learner or (heard_s or 0.0) > last_s
            if is_told or now_s - last_s > LAST_STATUS_WAIT_S:
                return f"{config.max_episodes} episodes"
        if config.max_minutes and now_s - self._started_s >= 60.0 * config.max_minutes:
            return f"{config.max_minutes:g} minutes"
        return None

    def _write_rates(self) -> None:
        env, arm = self.record.env, self.record.arm
        if env is not None and env.is_running:
            self._write([("rates/images_hz", env.images_hz)])
            if arm is not None:
                self._write([("rates/joint_states_hz", arm.joint_states_hz)])

    def _write(self, points: Iterable[scalars.Scalar]) -> None:
        for name, value in points:
            self._write_scalar(name, value, self.record.total_env_steps)

    def _write_report_or_say_why(self, now_s: float) -> None:
        """A full disk must not end the run: say so once, try again."""
        try:
            self.write_report(now_s)
        except OSError as error:
            if str(error) != self._complaint:
                self._say(f"| wait | {error}")
            self._complaint = str(error)


def _try_each(outputs: Iterable[Output]) -> tuple[list[str], list[str]]:
    """Write what can be written; return a line for each that is, and for each not."""
    written, problems = [], []
    for name, path, write in outputs:
        try:
            write()
            written.append(f"{name}: {path}")
        except OSError as error:
            problems.append(f"{name} not written to {path}: {error}")
    return written, problems
