"""The life of a session.

    open ──────────finish──────────▶ finishing ──drained──▶ finished
      ├─retire─▶ retiring ─finish─────▲   ▲
      └────close────┴──close──▶ closing ──┘ (finish)
                                   └────────drained──────▶ closed

Who finishes gets an answer in any case. In `retiring` all goes on until no item is open.
"""

from enum import Enum, auto


class SessionState(Enum):
    """Where a session is in its life."""

    OPEN = auto()
    RETIRING = auto()
    FINISHING = auto()
    FINISHED = auto()
    CLOSING = auto()
    CLOSED = auto()


class SessionSignal(Enum):
    """What moves a session on: the client's finish, the server's wish to stop, its close, the end of the last item."""

    FINISH = auto()
    RETIRE = auto()
    CLOSE = auto()
    DRAINED = auto()


SESSION_TRANSITIONS: dict[SessionState, dict[SessionSignal, SessionState]] = {
    SessionState.OPEN: {
        SessionSignal.FINISH: SessionState.FINISHING,
        SessionSignal.RETIRE: SessionState.RETIRING,
        SessionSignal.CLOSE: SessionState.CLOSING,
    },
    SessionState.RETIRING: {
        SessionSignal.FINISH: SessionState.FINISHING,
        SessionSignal.CLOSE: SessionState.CLOSING,
    },
    SessionState.CLOSING: {
        SessionSignal.FINISH: SessionState.FINISHING,
        SessionSignal.DRAINED: SessionState.CLOSED,
    },
    SessionState.FINISHING: {SessionSignal.DRAINED: SessionState.FINISHED},
    SessionState.FINISHED: {},
    SessionState.CLOSED: {},
}
