"""What the run waits for, said once and not again and again."""

import math
from dataclasses import dataclass

from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.run_record import RunRecord
from ur5_rl_bringup.core.samples import OUT_OF_ORDER, EnvSample

SPEAK_PERIOD_S = 5.0  # a changing text is said at most this often
REMIND_PERIOD_S = 60.0  # an unchanged one is said again after this
PATIENCE_S = {EnvSample.WAITING: 1.0, EnvSample.RESETTING: 5.0}


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that a person should know as long as it holds.

    Attributes:
        source: Node it is about: one notice per source at a time.
        kind: What it says apart from numbers; a new kind is a change.
        text: For people.
        patience_s: It must have held for this long before it is said.
        is_silence: Whether hearing the source again is worth a line.
    """

    source: str
    kind: str
    text: str
    patience_s: float = 0.0
    is_silence: bool = False


@dataclass(kw_only=True)
class HeardAt:
    """When each node was last heard [s, steady]; None before the first time."""

    env_node: float | None = None
    arm_node: float | None = None
    learner_node: float | None = None


def notices(
    record: RunRecord, heard_at: HeardAt, config: MonitorConfig, now_s: float
) -> list[Notice]:
    """Return everything that keeps the run from going on, or soon will."""
    found = [
        _silence("env_node", heard_at.env_node, config, now_s) or _env(record),
        _arm(record, heard_at, config, now_s),
    ]
    if config.expects_learner:
        found += [_learner(record, heard_at, config, now_s), _policy(record, config)]
    return [notice for notice in found if notice is not None]


def _silence(
    source: str, heard_s: float | None, config: MonitorConfig, now_s: float
) -> Notice | None:
    if heard_s is None:
        text = f"{source} has not been heard yet"
        return Notice(source=source, kind=text, text=text, patience_s=1.0)
    silent_s = now_s - heard_s
    if silent_s < config.silence_s:
        return None
    text = f"{source} silent for {silent_s:.0f} s"
    return Notice(source=source, kind="silent", text=text, is_silence=True)


def _env(record: RunRecord) -> Notice | None:
    env = record.env
    if env is None or env.is_running or not env.waiting_for:
        return None
    text = f"env_node: {env.waiting_for}"
    patience_s = PATIENCE_S.get(env.phase, 1.0)
    return Notice(source="env_node", kind=text, text=text, patience_s=patience_s)


def _arm(
    record: RunRecord, heard_at: HeardAt, config: MonitorConfig, now_s: float
) -> Notice | None:
    if record.arm is None:
        return None  # env_node misses its joint states and says so
    if notice := _silence("arm_node", heard_at.arm_node, config, now_s):
        return notice
    state = OUT_OF_ORDER.get(record.arm.state)
    cause = record.arm.cause
    if state is None or (cause and record.env and cause in record.env.waiting_for):
        return None  # in order, or env_node says it
    text = f"arm_node: {cause if state in cause else f'{state}: {cause}'}"
    return Notice(source="arm_node", kind=text, text=text, patience_s=1.0)


def _learner(
    record: RunRecord, heard_at: HeardAt, config: MonitorConfig, now_s: float
) -> Notice | None:
    if notice := _silence("learner_node", heard_at.learner_node, config, now_s):
        return notice
    learner = record.learner
    if learner is None:
        return None
    if learner.waiting_for:
        text = f"learner_node waits for {learner.waiting_for}"
        return Notice(source="learner_node", kind=text, text=text)
    for name in ("critic_loss", "actor_loss", "temperature"):
        if not math.isfinite(getattr(learner, name)):
            text = f"learner_node: {name} is {getattr(learner, name)}"
            return Notice(source="learner_node", kind=text, text=text)
    return None


def _policy(record: RunRecord, config: MonitorConfig) -> Notice | None:
    """A learner that learns and a policy that stays: parameters do not arrive."""
    age_s = record.newest_policy_age_s
    is_learning = record.learner is not None and not record.learner.waiting_for
    if age_s < config.old_policy_s or not is_learning:
        return None
    text = f"policy is {age_s:.0f} s old"
    return Notice(source="policy", kind="old", text=text)


@dataclass
class _Spoken:
    """What one source was last heard to say."""

    notice: Notice
    since_s: float
    kind: str = ""
    at_s: float = -math.inf


class Speaker:
    """Decides which notices to say now. Owned by one thread."""

    def __init__(self) -> None:
        self._spoken: dict[str, _Spoken] = {}

    def lines(self, found: list[Notice], now_s: float) -> list[str]:
        """Return the lines to print at `now_s` [s] for the notices that hold."""
        lines = [self._over(source) for source in self._spoken.keys() - _sources(found)]
        lines += [self._line(notice, now_s) for notice in found]
        return [f"| wait | {line}" for line in lines if line]

    def _over(self, source: str) -> str:
        spoken = self._spoken.pop(source)
        was_said = spoken.kind == spoken.notice.kind and spoken.notice.is_silence
        return f"{source} is heard again" if was_said else ""

    def _line(self, notice: Notice, now_s: float) -> str:
        spoken = self._spoken.setdefault(notice.source, _Spoken(notice, now_s))
        spoken.notice = notice
        is_news = notice.kind != spoken.kind
        period_s = SPEAK_PERIOD_S if is_news else REMIND_PERIOD_S
        is_early = now_s - spoken.since_s < notice.patience_s
        if is_early or now_s - spoken.at_s < period_s:
            return ""
        spoken.kind, spoken.at_s = notice.kind, now_s
        return notice.text


def _sources(found: list[Notice]) -> set[str]:
    return {notice.source for notice in found}
