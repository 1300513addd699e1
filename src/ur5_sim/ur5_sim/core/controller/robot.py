"""The virtual robot behind the sockets: what happens in one control cycle."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ur5_sim.core.config import ControllerConfig
from ur5_sim.core.controller.control_script import ControlScript
from ur5_sim.core.controller.modes import RobotMode, RuntimeState, SafetyMode
from ur5_sim.core.controller.plain_program import PlainProgram
from ur5_sim.core.controller.program import Program, ProgramError
from ur5_sim.core.controller.registers import DigitalOutputs, Inputs, Outputs, Values
from ur5_sim.core.controller.safety import PowerAndSafety
from ur5_sim.core.controller.script_text import Script
from ur5_sim.core.controller.tool_pose import NO_OFFSET, Pose
from ur5_sim.core.controller.watchdog import Watchdog
from ur5_sim.core.plant import CB3_CYCLE_S, E_SERIES_CYCLE_S, Plant

PROGRAM_START_S = 0.035  # from the last byte of a script to its first cycle
STEADY_AFTER_S = 0.55  # at rest before is_steady() says so
MOVING_RAD_S = 0.01
EVENTS_KEPT = 100


@dataclass(frozen=True)
class Identity:
    """Which controller this pretends to be."""

    version: tuple[int, int, int, int]
    cycle_s: float

    @property
    def is_e_series(self) -> bool:
        return self.version[0] >= 5

    @property
    def frequency_hz(self) -> int:
        return round(1.0 / self.cycle_s)


IDENTITIES = {
    "cb3": Identity((3, 15, 8, 106339), CB3_CYCLE_S),
    "e-series": Identity((5, 12, 4, 1101661), E_SERIES_CYCLE_S),
}


class VirtualRobot:
    """Arm, power, safety, program, registers. Owned by the thread that calls `tick`.

    Attributes:
        log: Called with a line for each change of state; set by the owner.
        motion_started_ns, motion_stopped_ns: Steady instants of the latest motion.
    """

    def __init__(self, config: ControllerConfig) -> None:
        self.identity = IDENTITIES[config.series]
        self.plant = Plant(
            config.start_pose_rad, cycle_s=self.identity.cycle_s, latency_cycles=0
        )  # the extra cycle of latency is on the way in: registers.Inputs
        self.safety = PowerAndSafety(
            power_on=config.power_on,
            unlock_delay_s=config.unlock_delay_s,
            power_step_s=config.power_step_s,
        )
        self.inputs = Inputs()
        self.outputs = Outputs()
        self.digital = DigitalOutputs()
        self.watchdog = Watchdog()
        self.payload_kg = 0.0
        self.payload_cog_m: tuple[float, ...] = (0.0, 0.0, 0.0)
        self.tcp_offset: Pose = NO_OFFSET
        self.runtime_state = RuntimeState.STOPPED
        self.program: Program | None = None
        self.recent_events: deque[str] = deque(maxlen=EVENTS_KEPT)
        self.log: Callable[[str], None] = lambda text: None
        self.motion_started_ns = 0
        self.motion_stopped_ns = 0
        self._loading: Program | None = None
        self._starts_at_s = 0.0
        self._still_since_s = -STEADY_AFTER_S
        self._is_moving = False

    @property
    def time_s(self) -> float:
        """Robot time: control cycles since the start, times their length [s]."""
        return self.plant.cycle * self.plant.cycle_s

    @property
    def is_steady(self) -> bool:
        """Whether the arm has been at rest for a while, as the script function says."""
        return self.time_s - self._still_since_s >= STEADY_AFTER_S

    @property
    def is_moving(self) -> bool:
        """Whether a joint moves faster than 0.01 rad/s."""
        return self._is_moving

    # One control cycle ----------------------------------------------------------------

    def tick(self, steady_ns: int) -> None:
        """Advance everything by one control cycle; `steady_ns` only stamps motions."""
        for package in self.inputs.apply_due():
            self._take(package)
        mode = self.safety.robot_mode
        self.safety.step(self.time_s, self.plant.is_still)
        if self.safety.robot_mode is not mode:
            self._report(f"robot mode {self.safety.robot_mode.name}")
        self._run_program()
        is_playing = self.runtime_state is RuntimeState.PLAYING
        if is_playing and self.watchdog.has_tripped(self.time_s):
            self._on_watchdog()
        self.plant.step()
        if self.plant.violation:
            self.protective_stop(self.plant.violation)
            self.plant.clear_violation()
        self._watch_motion(steady_ns)

    def _take(self, package: Values) -> None:
        """Do what a data package asks for; the program reads its registers itself."""
        values = self.inputs.values
        self.watchdog.feed(self.time_s, package)
        self.digital.apply(package, values)
        is_meant = {"speed_slider_mask", "speed_slider_fraction"} & package.keys()
        if is_meant and values["speed_slider_mask"]:
            fraction = values["speed_slider_fraction"]
            self.plant.speed_fraction = min(1.0, max(0.0, fraction))

    def _run_program(self) -> None:
        if self._loading and self.time_s >= self._starts_at_s:
            self.program, self._loading = self._loading, None
            self.program.start()
            self.runtime_state = RuntimeState.PLAYING
            self._report(f"program {self.program.name} starts")
        if self.runtime_state is RuntimeState.PAUSING and self.plant.is_still:
            self.runtime_state = RuntimeState.PAUSED
        if self.program is None or self.runtime_state is not RuntimeState.PLAYING:
            return
        try:
            if not self.program.step():
                self.stop_program("has ended")
        except ProgramError as error:
            self.stop_program(f"ended by an error: {error}")
        except Exception as error:  # it ends what a client runs, never the robot
            self.stop_program(f"ended by an error of the simulation: {error!r}")
        if self.runtime_state is not RuntimeState.PLAYING:
            self.plant.brake()  # the program itself asked for the stop, then went on

    def _on_watchdog(self) -> None:
        if self.identity.is_e_series:
            self.stop_program("stopped by the RTDE watchdog")
        else:  # seen on CB3 3.15: the action "stop" is a protective stop
            self.protective_stop("C207A0: RTDE watchdog")

    def _watch_motion(self, steady_ns: int) -> None:
        plant = self.plant
        if any(plant.target_qd) or not plant.is_still:
            self._still_since_s = self.time_s
        is_moving = max(map(abs, plant.qd)) > MOVING_RAD_S
        if is_moving and not self._is_moving:
            self.motion_started_ns = steady_ns
        elif self._is_moving and not is_moving:
            self.motion_stopped_ns = steady_ns
        self._is_moving = is_moving

    # Programs -------------------------------------------------------------------------

    def load(self, script: Script) -> bool:
        """Run a script in place of what runs now; False where it is refused."""
        if script.is_secondary:  # a real one runs it beside the program, without motion
            self._report(f"secondary program {script.name} is ignored: not simulated")
            return False
        if not self.safety.may_move:
            self._report(f"program {script.name} refused: {self._state_text()}")
            return False
        try:
            kind = ControlScript if script.is_control_script else PlainProgram
            program = kind(self, script)
        except ValueError as error:
            self._report(f"program {script.name} refused: {error}")
            return False
        self.stop_program("is replaced")
        self._loading = program
        self._starts_at_s = self.time_s + PROGRAM_START_S
        return True

    def stop_program(self, why: str) -> None:
        """End the program; the arm comes to rest and the watchdog goes with it."""
        self._loading = None
        if self.program is not None:
            self._report(f"program {self.program.name} {why}")
            self.program.close()
            self.program = None
        self.runtime_state = RuntimeState.STOPPED
        self.watchdog.disarm()
        self.plant.brake()

    def pause_program(self) -> bool:
        """Bring the arm to rest and hold the program where it is."""
        is_playing = self.runtime_state is RuntimeState.PLAYING
        if is_playing:
            self.runtime_state = RuntimeState.PAUSING
        self.plant.brake()
        return is_playing

    def resume_program(self) -> bool:
        """Go on with a paused program, and with the motion that it was in."""
        is_paused = self.runtime_state in (RuntimeState.PAUSING, RuntimeState.PAUSED)
        if not (is_paused and self.safety.may_move and self.program):
            return False
        self.runtime_state = RuntimeState.PLAYING
        self.watchdog.restart()
        self.program.resume_motion()
        return True

    # Safety ---------------------------------------------------------------------------

    def protective_stop(self, reason: str) -> None:
        """Bring the arm to rest until someone unlocks it; the program is paused."""
        if self.safety.robot_mode is RobotMode.RUNNING:
            self._on_safety(self.safety.protective_stop(self.time_s, reason))

    def safeguard_stop(self) -> None:
        """Bring the arm to rest while the safeguard input is open."""
        self._on_safety(self.safety.safeguard_stop())

    def emergency_stop(self) -> None:
        """Press the emergency stop: the arm comes to rest, then loses its power."""
        self._on_safety(self.safety.emergency_stop())

    def power_off(self) -> None:
        """Switch the arm off; its program ends."""
        self.stop_program("is stopped: power off")
        self.safety.power_off()

    def restart_safety(self) -> None:
        """Restart the safety system, which ends in POWER_OFF."""
        self.stop_program("is stopped: safety restarts")
        self.safety.restart_safety()

    def _on_safety(self, is_new_stop: bool) -> None:
        if is_new_stop:
            self._loading = None
            self.pause_program()
            self._report(self._state_text())

    def _state_text(self) -> str:
        mode = self.safety.safety_mode
        if mode is SafetyMode.NORMAL:
            return f"robot mode is {self.safety.robot_mode.name}"
        return f"{mode.name.lower().replace('_', ' ')} ({self.safety.reason})"

    def _report(self, text: str) -> None:
        line = f"{self.time_s:.3f} s: {text}"
        self.recent_events.append(line)
        self.log(line)
