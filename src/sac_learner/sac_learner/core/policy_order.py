"""Which policy may follow which: versions go up, over restarts of the learner too."""

from typing import NamedTuple


class Announced(NamedTuple):
    """What a policy message says of itself, beside its contents.

    Attributes:
        session: Random number of the learner process that sent it.
        version: Counts up over the whole run.
        update_step: Gradient updates behind it.
        sha256: Of these and of the contents.
    """

    session: int
    version: int
    update_step: int
    sha256: str


class PolicyOrder:
    """Knows the newest policy that was admitted. Owned by one thread."""

    def __init__(self) -> None:
        self._newest: Announced | None = None

    def is_confirmed_by(self, policy: Announced) -> bool:
        """Whether the learner says again that the newest policy is its newest."""
        return self._newest is not None and policy == self._newest

    def check(self, policy: Announced) -> None:
        """Refuse what cannot follow the newest policy.

        Raises:
            ValueError: version or update_step went back within a session, a version came
                again with other contents, or a new learner does not go on above the old.
        """
        newest = self._newest
        if newest is None:
            return
        if policy.session != newest.session:
            if policy.version <= newest.version:
                raise ValueError(
                    f"version of a new learner must be above {newest.version}, "
                    f"got {policy.version}: does it go on with another run?"
                )
        elif policy.version == newest.version:
            raise ValueError(f"version {policy.version} came again with other contents")
        elif policy.version < newest.version:
            raise ValueError(
                f"version went back from {newest.version} to {policy.version}"
            )
        elif policy.update_step < newest.update_step:
            raise ValueError(
                f"update_step went back from {newest.update_step} to {policy.update_step}"
            )

    def admit(self, policy: Announced) -> None:
        """Remember a policy that passed every examination."""
        self._newest = policy
