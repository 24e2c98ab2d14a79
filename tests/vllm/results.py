"""What must hold of the events of any session, whatever the model heard."""

from harness import Result


def assert_sound(result: Result, items: int) -> None:
    """Each item has its final; confirmed text was never taken back, and there was text on the way."""
    assert len(result.finals) == items
    assert result.text, "the random weights of the checkpoint happen to say nothing here: choose others"
    assert result.previews
    assert {preview.item_id for preview in result.previews} <= {final.item_id for final in result.finals}
    confirmed: dict[str, str] = {}
    for preview in result.previews:
        assert preview.text.startswith(confirmed.get(preview.item_id, ""))
        confirmed[preview.item_id] = preview.text
