"""`make mutations` takes minutes and runs seldom; that its edits fit the code is looked at every time."""

import pytest
from scripts.mutations import MUTATIONS, PACKAGE, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_every_edit_fits_the_code_and_changes_it(mutation: Mutation):
    source = (ROOT / "src" / PACKAGE / mutation.file).read_text(encoding="utf-8")
    broken = source.replace(mutation.old, mutation.new)
    assert broken != source
    compile(broken, mutation.file, "exec")
