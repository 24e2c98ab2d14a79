import json

import pytest
from tests.models.standin import CONTENT, HALF, TINY

from qwen3_asr_realtime.models.catalogue import find
from qwen3_asr_realtime.models.store import (
    Entry,
    Manifest,
    ModelError,
    given_folder,
    installed,
    is_present,
    locate,
    write_manifest,
)


def put(folder, content=CONTENT):
    folder.mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def with_manifest(folder, model="acme/medium", **changes):
    entries = [Entry(file.name, file.size, file.sha256) for file in TINY.files]
    write_manifest(
        Manifest(
            **{"model": model, "source": "huggingface", "repository": model, "revision": "c0ffee", "files": entries}
            | changes
        ),
        folder,
    )
    return folder


@pytest.fixture
def tiny(models_dir):
    return put(models_dir / "whisper-tiny")


@pytest.fixture
def medium(models_dir):
    return with_manifest(put(models_dir / "acme--medium"))


@pytest.mark.parametrize("name", ["whisper-tiny", "tiny", "acme/tiny", "acme-cn/tiny"])
def test_a_model_of_the_table_is_found_by_each_of_its_names(tiny, models_dir, name):
    assert is_present(name, models_dir)
    assert locate(name, models_dir) == tiny


def test_a_model_of_the_table_needs_no_manifest_and_believes_none(tiny, models_dir):
    with_manifest(tiny, files=[])
    (tiny / "model.bin").write_bytes(CONTENT["model.bin"][::-1])

    with pytest.raises(ModelError, match=r"model\.bin is damaged"):
        locate("tiny", models_dir)


def test_another_model_is_what_its_manifest_says(medium, models_dir):
    assert is_present("acme/medium", models_dir)
    assert locate("acme/medium", models_dir) == medium


@pytest.mark.parametrize("name", ["whisper-tiny", "acme/medium"])
def test_a_model_that_is_not_here_says_how_to_get_it(models_dir, name):
    assert not is_present(name, models_dir)
    with pytest.raises(ModelError) as raised:
        locate(name, models_dir)
    assert str(raised.value) == f"model {name} is not on this machine: run `qwen3-asr-realtime models fetch {name}`"


@pytest.mark.parametrize("name", ["whisper-tiny", "acme/medium"])
@pytest.mark.parametrize("place", [0, HALF, len(CONTENT["model.bin"]) - 1])
@pytest.mark.usefixtures("tiny", "medium")
def test_one_changed_byte_is_refused(models_dir, name, place):
    path = models_dir / name.replace("/", "--") / "model.bin"
    weights = bytearray(path.read_bytes())
    weights[place] ^= 1
    path.write_bytes(weights)

    assert is_present(name, models_dir)  # which looks at sizes alone
    with pytest.raises(ModelError) as raised:
        locate(name, models_dir)
    message = str(raised.value)
    assert message.startswith(f"model {name}: model file model.bin is damaged or of another version: sha256 is ")
    assert message.endswith(f"Fetch it again with `qwen3-asr-realtime models fetch {name}`.")


@pytest.mark.parametrize("name", list(CONTENT))
def test_a_missing_file_is_noticed(tiny, models_dir, name):
    (tiny / name).unlink()

    assert not is_present("tiny", models_dir)
    with pytest.raises(ModelError, match="is not on this machine"):
        locate("tiny", models_dir)


def test_a_truncated_file_is_noticed(tiny, models_dir):
    (tiny / "model.bin").write_bytes(CONTENT["model.bin"][:-1])

    assert not is_present("tiny", models_dir)
    with pytest.raises(ModelError, match=r"model\.bin is damaged"):
        locate("tiny", models_dir)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": "acme/medium"}', '{"files": 5}'])
def test_a_manifest_that_is_none_is_named(medium, models_dir, text):
    (medium / "manifest.json").write_text(text)

    with pytest.raises(ModelError, match=r"manifest\.json cannot be read .* models fetch acme/medium`"):
        locate("acme/medium", models_dir)


@pytest.mark.parametrize("name", ["../whisper-tiny/model.bin", "/etc/passwd", ".hidden"])
def test_a_manifest_that_names_files_elsewhere_is_refused(medium, models_dir, name):
    with_manifest(medium, files=[Entry(name, 1, "0" * 64)])

    with pytest.raises(ModelError, match="names files elsewhere"):
        locate("acme/medium", models_dir)


def test_a_manifest_says_where_a_model_came_from(medium):
    told = json.loads((medium / "manifest.json").read_bytes())

    assert [told[key] for key in ("model", "source", "revision")] == ["acme/medium", "huggingface", "c0ffee"]
    assert told["files"][0] == {"name": "config.json", "size": 25, "sha256": TINY.files[0].sha256}


# --- folders ---


def test_a_folder_is_taken_as_it_is(tmp_path, models_dir, monkeypatch):
    folder = put(tmp_path / "home" / "mine", {"config.json": b"{}"})
    monkeypatch.chdir(folder.parent)

    for given in (str(folder), "~/mine", "./mine", "mine"):
        assert locate(given, models_dir).resolve() == folder
        assert is_present(given, models_dir)


def test_a_folder_that_only_has_the_name_of_a_model_is_not_meant(tmp_path, tiny, models_dir):
    (tmp_path / "whisper-tiny").mkdir()

    assert given_folder("whisper-tiny") is None
    assert locate("whisper-tiny", models_dir) == tiny


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "~/nothing", "whisper-tinny", "a/b/c", "", "../x", "acme/../x", "-x/y"]
)
def test_what_is_neither_model_nor_folder_is_named(models_dir, name):
    assert find(name) is None
    with pytest.raises(ModelError, match="there is no model or folder"):
        locate(name, models_dir)


def test_models_that_are_here_are_found(tiny, medium, models_dir):
    (models_dir / ".whisper-tiny.lock").touch()
    (models_dir / "somebody-else-s").mkdir()
    put(models_dir / "no--manifest")

    assert [model.name for model in installed(models_dir)] == ["acme/medium", "whisper-tiny"]
    assert list(installed(models_dir / "nowhere")) == []
