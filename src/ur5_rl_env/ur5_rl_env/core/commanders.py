"""Who sends velocity commands, and who may."""

from dataclasses import dataclass

FEW = 2  # commands that make a sender; a single one may be a last word, or damaged
MOST = 8  # senders that are told apart; a graph has one


@dataclass
class _Sender:
    """One session that was heard lately."""

    heard_ns: int
    commands: int = 0
    spoke_unasked: bool = False


class Commanders:
    """The senders of the last moments. Owned by the thread of the callbacks.

    Two at a time are one too many: the arm follows neither. Who commands while the arm
    takes no commands does not look at what it commands; such a sender has to be silent
    once before it is followed, as a joystick has to be centred.

    Args:
        silence_ns: A sender that was not heard for so long [ns] is gone.
    """

    def __init__(self, silence_ns: int) -> None:
        self._silence_ns = silence_ns
        self._senders: dict[int, _Sender] = {}

    def hear(self, session: int, now_ns: int, *, is_asked: bool) -> str:
        """Note a command that is well made; return why its sender is not followed.

        Args:
            session: Of the sender.
            now_ns: Steady clock [ns].
            is_asked: Whether the arm takes commands at present.
        """
        self._forget_the_silent(now_ns)
        if session not in self._senders and len(self._senders) == MOST:
            return f"session {session} is one of more than {MOST} senders"
        sender = self._senders.setdefault(session, _Sender(now_ns))
        sender.heard_ns = now_ns
        sender.commands += 1
        sender.spoke_unasked |= not is_asked
        if not sender.spoke_unasked:
            return ""
        return (
            f"session {session} commanded while the arm took no commands: "
            f"be silent for {self._silence_ns / 1e9:.2f} s first"
        )

    def conflict(self, now_ns: int) -> str:
        """Return who sends beside whom at `now_ns`; "" while there is one sender."""
        alive = sorted(
            session
            for session, sender in list(self._senders.items())
            if sender.commands >= FEW and now_ns - sender.heard_ns < self._silence_ns
        )
        if len(alive) < 2:
            return ""
        return f"{len(alive)} commanders: sessions {', '.join(map(str, alive))}"

    def _forget_the_silent(self, now_ns: int) -> None:
        """Replace the senders by those that are left: the loop's thread looks at them."""
        self._senders = {
            session: sender
            for session, sender in self._senders.items()
            if now_ns - sender.heard_ns < self._silence_ns
        }
