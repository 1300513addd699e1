"""An arm's state machine on a plant, for tests: time passes in control cycles only."""

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import ArmState, RobotSample
from ur5_rl_env.core.ramp import STILL
from ur5_rl_env.core.stop_request import StopRequest
from ur5_rl_env.core.ur_modes import RobotMode, RuntimeState, SafetyMode
from ur5_rl_env.core.velocity_command import VelocityCommand
from ur5_sim.core.plant import Plant

MS = 1_000_000
START_NS = 1_000 * MS
FAST = (0.5, 0.0, 0.0, 0.0, 0.5, 0.0)
ROOMY = (1.5, -1.4, 1.6, -3.0, -1.5, 2.8)  # far from every limit


class Rig:
    """An arm on a plant, armed unless told otherwise."""

    def __init__(self, q=ROOMY, *, connected=True, armed=True, **config):
        self.arm = Arm(ArmConfig(**config))
        self.plant = Plant(q)
        self.now_ns = START_NS
        self.modes = {
            "robot_mode": RobotMode.RUNNING,
            "safety_mode": SafetyMode.NORMAL,
            "runtime_state": RuntimeState.PLAYING,
        }
        self.sent = []
        self.sequence = 0
        if connected:
            self.tick()
        if connected and armed:
            self.enable()

    def enable(self):
        assert self.arm.enable(self.now_ns) == ""
        assert self.tick().velocity == STILL  # the first set-point
        assert self.arm.state == ArmState.ARMED

    def watch(self, reason, age_ms=0.0, session=9):
        sent_ns = self.now_ns - round(age_ms * MS)
        return self.arm.request_stop(StopRequest(session, sent_ns, reason), self.now_ns)

    def sample(self):
        return RobotSample(
            robot_s=self.now_ns / 1e9,
            taken_ns=self.now_ns,
            q=self.plant.q,
            qd=self.plant.qd,
            **self.modes,
        )

    def tick(self):
        decision = self.arm.tick(self.now_ns, self.sample())
        if decision.is_sent:
            self.plant.speedj(decision.velocity, 4.0)
        else:
            self.plant.brake()
        self.plant.step()
        self.sent.append(decision)
        self.now_ns += 8 * MS
        return decision

    def command(self, velocity=FAST, age_ms=0.0, session=1):
        self.sequence += 1
        sent_ns = self.now_ns - round(age_ms * MS)
        made = VelocityCommand(session, self.sequence, sent_ns, velocity)
        return self.arm.offer(made, self.now_ns)

    def follow(self, cycles, velocity=FAST):
        """Command each 40 ms."""
        for cycle in range(cycles):
            if cycle % 5 == 0:
                assert self.command(velocity) == ""
            self.tick()

    def run(self, cycles):
        for _ in range(cycles):
            self.tick()
        return self

    def until(self, condition, cycles=1000):
        for cycle in range(cycles):
            if condition():
                return cycle * 0.008
            self.tick()
        raise AssertionError(f"never; {self.arm.state.name}: {self.arm.cause}")

    @property
    def speed(self):
        return max(map(abs, self.plant.qd))
