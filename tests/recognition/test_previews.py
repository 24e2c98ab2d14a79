from qwen3_asr_realtime.recognition.hypothesis import Preview
from qwen3_asr_realtime.recognition.previews import PREVIEW_INTERVAL_S, Previews


def test_what_is_replaced_before_it_was_shown_is_counted():
    now_s, shown = 0.0, []
    previews = Previews(lambda text, stash, language: shown.append(stash), lambda: now_s)
    for stash in ("one", "two", "three"):
        previews.offer(Preview("", stash), "en")
    assert (shown, previews.replaced) == (["one"], 1)  # "two" gave way to "three", which waits for its time

    now_s = PREVIEW_INTERVAL_S
    previews.show_if_due()
    previews.offer(Preview("", ""), "en")
    assert (shown, previews.replaced) == (["one", "three"], 1)
