"""How often a growing utterance is decoded."""

from dataclasses import dataclass

ROOMY = 0.5
"""Load up to which partials cost nobody anything. From there to a full engine they get rarer, for finals do not wait in
line alone: on a machine without a GPU, decodes that run at the same time slow each other down."""

STRETCH_MAX = 4.0
"""Under the heaviest load partials are so many busy intervals apart; then there is hardly one in a sentence."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Times between decodes, in seconds of the utterance's audio.

    Attributes:
        first_s: Before the first partial.
        idle_s: Between two partials while the engine has room.
        busy_s: Between two partials while it has none.
        timeout_s: Wall time after which a decode is given up.
        speculation: Whether finals are begun before the silence is long enough to end the turn.
    """

    first_s: float
    idle_s: float
    busy_s: float
    timeout_s: float
    speculation: bool = True

    def interval_s(self, load: float) -> float:
        """The time between two partials.

        Args:
            load: Decodes that run or wait, for each slot the engine has; 1 is full.
        """
        if load >= 1:
            return max(self.idle_s, self.busy_s * min(load, STRETCH_MAX))
        fullness = max(0.0, (load - ROOMY) / (1 - ROOMY))
        return self.idle_s + max(0.0, self.busy_s - self.idle_s) * fullness
