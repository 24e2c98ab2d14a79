"""The 2.x client answers pings only while it reads, and programs read late. (The last file: its program takes long.)"""

from tests.sdk.recordings import clips_of_a_minute
from tests.sdk.sdk import VAD_ITEM, Program

from word_error_rate import word_error_rate

WORD_ERROR_LIMIT = 0.08

PINGS_MISSED_S = 40
"""An interval and a time-out of the server library's defaults, which would end the connection with 1011."""


def test_a_minute_uploaded_before_the_first_event_is_read(minute_upload: Program) -> None:
    seen = minute_upload.seen()
    assert seen.one("ending").at_s - seen.one("uploading").at_s > PINGS_MISSED_S
    assert seen.items
    assert all(item == VAD_ITEM for item in seen.items)
    finished = seen.events[-1]
    assert finished["type"] == "session.finished"
    assert finished["transcript"] == " ".join(seen.transcripts)
    words = " ".join(clip.transcript for clip in clips_of_a_minute())
    assert word_error_rate([words], [finished["transcript"]]) <= WORD_ERROR_LIMIT
