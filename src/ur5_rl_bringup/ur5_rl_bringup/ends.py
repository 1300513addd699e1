"""What the end of a process means for its run, for both readers of the graph."""

from ur5_rl_bringup.core.lives import Lives, Outlook
from ur5_rl_ros.process import EXIT_CONFIGURATION, EXIT_LINK_LOST, EXIT_OK


def outlook_after(lives: Lives, code: int, *, lived_s: float, now_s: float) -> Outlook:
    """Return what follows the exit `code` of a process that should go on.

    Args:
        lives: Of this process so far.
        code: As the system gives it; negative: the signal that killed it.
        lived_s: How long it ran [s].
        now_s: When it ended, steady clock [s].
    """
    if code == EXIT_OK:  # it was asked to: somebody closed its window
        return Outlook.DONE
    return lives.outlook(
        refused=code == EXIT_CONFIGURATION,
        lost_link=code == EXIT_LINK_LOST,
        lived_s=lived_s,
        now_s=now_s,
    )
