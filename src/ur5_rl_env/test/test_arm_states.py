"""The arm's transitions as a table: state x event -> state, once everything has settled.

After the event nothing more is said for 0.32 s, so that a command that was followed has
become an old one (STALE), a stop request still stands, and what brakes has come to rest.
"""

import pytest
from arm_rig import Rig

from ur5_rl_env.core.arm_state import ArmState
from ur5_rl_env.core.ur_modes import RuntimeState, SafetyMode

SETTLE_CYCLES = 40
TABLE = """
              | enable disable move stop recover command watch withdraw | p e program | released rebuilt
CONNECTING    | I      I       I    F    I       I       F     I        | P E F       | I        I
IDLE          | A      I       I    F    I       I       F     I        | P E F       | I        I
ARMED         | A      I       T    F    A       S       F     A        | P E F       | A        A
MOVING        | S      I       T    F    S       S       F     S        | P E F       | S        S
TO_START      | T      I       T    F    T       T       F     T        | P E F       | T        T
STALE         | S      I       T    F    S       S       F     S        | P E F       | S        S
PROTECTIVE    | P      P       P    P    P       P       P     P        | P E P       | P        I
EMERGENCY     | E      E       E    E    E       E       E     E        | E E E       | E        I
STOP_ARM      | F      F       F    F    I       F       F     F        | P E F       | F        F
WATCH         | F      F       F    F    F       F       F     I        | P E F       | F        F
NO_PROGRAM    | F      F       F    F    F       F       F     F        | P E F       | F        I
"""  # noqa: E501
LETTERS = {
    "I": ArmState.IDLE,
    "A": ArmState.ARMED,
    "S": ArmState.STALE,
    "T": ArmState.MOVING_TO_START,
    "P": ArmState.PROTECTIVE_STOP,
    "E": ArmState.EMERGENCY_STOP,
    "F": ArmState.FAULT,
}
MAY_SPEED_UP = {"command", "move"}  # nothing else starts a motion


def connecting():
    return Rig(connected=False)


def idle():
    return Rig(armed=False)


def moving():
    rig = Rig()
    rig.follow(60)  # the speed is reached
    assert rig.arm.state == ArmState.MOVING
    return rig


def to_start():
    rig = Rig()
    rig.arm.move_to_start(rig.plant.q)
    return rig.run(10)


def stale():
    rig = moving().run(SETTLE_CYCLES)
    assert rig.arm.state == ArmState.STALE
    return rig


def with_mode(name, value):
    rig = moving()
    rig.modes[name] = value
    return rig.run(SETTLE_CYCLES)


def stopped():
    rig = moving()
    rig.arm.stop("stopped by stop_arm")
    return rig.run(SETTLE_CYCLES)


def watched():
    rig = moving().run(SETTLE_CYCLES)
    assert rig.watch("camera_node is silent") == ""
    return rig.run(1)


STATES = {
    "CONNECTING": connecting,
    "IDLE": idle,
    "ARMED": Rig,
    "MOVING": moving,
    "TO_START": to_start,
    "STALE": stale,
    "PROTECTIVE": lambda: with_mode("safety_mode", SafetyMode.PROTECTIVE_STOP),
    "EMERGENCY": lambda: with_mode("safety_mode", SafetyMode.ROBOT_EMERGENCY_STOP),
    "STOP_ARM": stopped,
    "WATCH": watched,
    "NO_PROGRAM": lambda: with_mode("runtime_state", RuntimeState.STOPPED),
}


def put(name, value):
    return lambda rig: rig.modes.update({name: value})


def release(rig):
    rig.modes = Rig().modes


def rebuild(rig):
    release(rig)
    if rig.arm.needs_rebuild:
        rig.arm.on_rebuilt()


EVENTS = {
    "enable": lambda rig: rig.arm.enable(rig.now_ns),
    "disable": lambda rig: rig.arm.disable("disarmed by disable_arm"),
    "move": lambda rig: rig.arm.move_to_start(rig.plant.q),
    "stop": lambda rig: rig.arm.stop("stopped by stop_arm"),
    "recover": lambda rig: rig.arm.recover(),
    "command": lambda rig: rig.command(),
    "watch": lambda rig: rig.watch("env_node is silent"),
    "withdraw": lambda rig: rig.watch(""),
    "p": put("safety_mode", SafetyMode.PROTECTIVE_STOP),
    "e": put("safety_mode", SafetyMode.ROBOT_EMERGENCY_STOP),
    "program": put("runtime_state", RuntimeState.STOPPED),
    "released": release,
    "rebuilt": rebuild,
}


def rows():
    head, *lines = TABLE.replace("|", " ").strip().splitlines()
    for line in lines:
        state, *letters = line.split()
        for event, letter in zip(head.split(), letters, strict=True):
            yield state, event, letter


def test_the_table_is_whole():
    told = [(state, event) for state, event, _ in rows()]
    assert told == [(state, event) for state in STATES for event in EVENTS]


@pytest.mark.parametrize(("state", "event", "letter"), list(rows()))
def test_fault_or_not_each_event_leads_where_the_table_says(state, event, letter):
    rig = STATES[state]()
    before = rig.speed
    EVENTS[event](rig)
    speeds = [rig.run(1).speed for _ in range(SETTLE_CYCLES)]
    assert rig.arm.state == LETTERS[letter], rig.arm.cause
    assert rig.arm.cause
    if letter != "T":
        assert speeds[-1] < 0.01
        if event not in MAY_SPEED_UP:
            assert max(speeds) <= before + 0.02  # of the cycle that is on its way
