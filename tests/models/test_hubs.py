import json
import sys

import pytest
from tests.models.standin import COMMIT, CONTENT, TINY, running_hub, sibling

from qwen3_asr_realtime.models.catalogue import File, find
from qwen3_asr_realtime.models.download import SourceError
from qwen3_asr_realtime.models.hubs import LISTING_BYTES, HuggingFace, ModelScope, chosen

SHA = "a" * 64


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def hugging_face(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    hub.serve("acme/tiny", COMMIT, CONTENT)
    return hub


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_of_the_table_needs_no_listing(hugging_face, folder, display):
    delivery = HuggingFace().deliver(TINY, folder, display)

    assert content(folder) == CONTENT
    assert hugging_face.paths == [
        f"/acme/tiny/resolve/{COMMIT}/{name}" for name in ("config.json", "tokenizer.json", "model.bin")
    ]
    assert (delivery.repository, delivery.revision, delivery.files) == ("acme/tiny", COMMIT, TINY.files)


def test_another_version_shows_before_the_weights_are_fetched(hugging_face, folder, display):
    hugging_face.files[f"/acme/tiny/resolve/{COMMIT}/config.json"] = b"{" + CONTENT["config.json"][1:-1] + b"]"

    with pytest.raises(SourceError, match=r"config\.json is not what it should be"):
        HuggingFace().deliver(TINY, folder, display)

    assert len(hugging_face.requests) == 1


def test_what_is_here_and_right_is_not_fetched_again(hugging_face, folder, display):
    (folder / "tokenizer.json").write_bytes(CONTENT["tokenizer.json"])
    (folder / "config.json").write_bytes(b"x" * len(CONTENT["config.json"]))

    HuggingFace().deliver(TINY, folder, display)

    assert content(folder) == CONTENT
    assert [path.rpartition("/")[2] for path in hugging_face.paths] == ["config.json", "model.bin"]


def test_the_token_is_shown_to_hugging_face(hugging_face, folder, display, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")

    HuggingFace().deliver(TINY, folder, display)

    assert {headers.get("authorization") for _, headers in hugging_face.requests} == {"Bearer hf_secret"}


def test_no_token_no_header(hugging_face, folder, display):
    HuggingFace().deliver(TINY, folder, display)

    assert all("authorization" not in headers for _, headers in hugging_face.requests)


@pytest.mark.parametrize("value", ["1", "ON", "true", "Yes"])
def test_offline_means_no_request(hugging_face, folder, display, monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)

    with pytest.raises(SourceError, match="HF_HUB_OFFLINE is set"):
        HuggingFace().deliver(TINY, folder, display)

    assert hugging_face.requests == []


def test_modelscope_has_addresses_of_its_own_and_gets_no_token(hub, folder, display, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.serve("acme-cn/tiny", "master", CONTENT, prefix="/models")

    delivery = ModelScope().deliver(TINY, folder, display)

    assert content(folder) == CONTENT
    assert set(hub.paths) == {f"/models/acme-cn/tiny/resolve/master/{name}" for name in CONTENT}
    assert all("authorization" not in headers for _, headers in hub.requests)
    assert (delivery.repository, delivery.revision) == ("acme-cn/tiny", "master")


@pytest.mark.parametrize(
    ("source", "environment", "url"),
    [
        (HuggingFace, {"HF_ENDPOINT": ""}, "https://huggingface.co"),
        (HuggingFace, {"HF_ENDPOINT": "https://hub.example/hf/"}, "https://hub.example/hf"),
        (ModelScope, {"MODELSCOPE_DOMAIN": ""}, "https://www.modelscope.cn"),
        (ModelScope, {"MODELSCOPE_DOMAIN": "hub.example"}, "https://hub.example"),
    ],
)
def test_the_environment_names_the_hub(monkeypatch, source, environment, url):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert source()._endpoint == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "gopher://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/no/such/file"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9"),
    ],
)
def test_an_environment_that_no_client_can_obey_is_an_error_of_the_source(
    folder, display, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    monkeypatch.setitem(sys.modules, "socksio", None)  # it may be here by chance

    with pytest.raises(SourceError, match="the environment asks for what cannot be done"):
        HuggingFace().deliver(TINY, folder, display)


# --- models that are not in the table: everything comes from the listing ---


def test_a_model_nobody_knows_comes_as_the_hub_lists_it(hub, folder, display, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    stray = {"README.md": b"# ", "convert.py": b"import os", "pytorch_model.bin": b"x" * 2000, "model.pt": b"x" * 2000}
    hub.serve("acme/medium", COMMIT, CONTENT | stray)

    delivery = HuggingFace().deliver(find("acme/medium"), folder, display)

    assert content(folder) == CONTENT
    assert set(hub.paths[1:]) == {f"/acme/medium/resolve/{COMMIT}/{name}" for name in CONTENT}
    assert delivery.revision == COMMIT
    assert {file.name for file in delivery.files} == CONTENT.keys()


@pytest.mark.parametrize("name", ["config.json", "model.bin"])
def test_one_byte_other_than_listed_is_refused(hub, folder, display, monkeypatch, name):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    hub.serve("acme/medium", COMMIT, CONTENT)
    changed = bytearray(CONTENT[name])
    changed[7] ^= 1
    hub.files[f"/acme/medium/resolve/{COMMIT}/{name}"] = bytes(changed)

    with pytest.raises(SourceError, match="is not what it should be"):
        HuggingFace().deliver(find("acme/medium"), folder, display)

    assert name not in content(folder)


def test_modelscope_lists_in_its_own_way(hub, folder, display, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)
    hub.serve("acme/medium", "master", CONTENT, prefix="/models")
    files = [
        {"Path": file.name, "Type": "blob", "Size": file.size, "Sha256": file.sha256, "IsLFS": False}
        for file in TINY.files
    ]
    files.append({"Path": "onnx", "Type": "tree", "Size": 0, "Sha256": ""})
    listing = {"Code": 200, "Data": {"Files": files, "IsVisual": 1}, "Success": True}
    hub.files["/api/v1/models/acme/medium/repo/files"] = json.dumps(listing).encode()

    ModelScope().deliver(find("acme/medium"), folder, display)

    assert content(folder) == CONTENT


@pytest.mark.parametrize(
    "path", ["../../.bashrc", "/etc/cron.d/x.json", "a/../../x.json", "..\\x.json", "C:\\x.json", "..", "x/.."]
)
def test_a_path_that_leads_elsewhere_ends_it(hugging_face, folder, display, path):
    entries = [sibling(name, data) for name, data in CONTENT.items()]
    hugging_face.list_files("acme/medium", COMMIT, [*entries, sibling(path, b"x")])

    with pytest.raises(SourceError, match="would lie elsewhere"):
        HuggingFace().deliver(find("acme/medium"), folder, display)

    assert hugging_face.paths == ["/api/models/acme/medium/revision/main"]
    assert content(folder) == {}


def listed(*names):
    return [File(name, 10, SHA) for name in names]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["model.bin", "config.json", "vocabulary.txt"], ["model.bin", "config.json", "vocabulary.txt"]),
        (["model.bin", "model.safetensors", "config.json"], ["model.bin", "config.json"]),
        (["model.safetensors", "chat_template.jinja", "x.py"], ["model.safetensors", "chat_template.jinja"]),
        (["model.safetensors", "pytorch_model.bin", "rust_model.ot", "tf_model.h5"], ["model.safetensors"]),
        (["model.safetensors", "onnx/config.json", ".gitattributes", "manifest.json"], ["model.safetensors"]),
        (["model.safetensors", ".hidden.json", "a b.json", "-x.json", "x.json\n"], ["model.safetensors"]),
    ],
)
def test_only_data_is_taken_and_weights_once(names, taken):
    assert [file.name for file in chosen(listed(*names))] == taken


@pytest.mark.parametrize(
    "names", [[], ["config.json"], ["pytorch_model.bin", "config.json"], ["model.pt", "model.onnx"]]
)
def test_weights_that_may_be_code_are_none(names):
    with pytest.raises(SourceError, match="no weights that are only data"):
        chosen(listed(*names))


def test_weights_without_a_digest_are_none():
    with pytest.raises(SourceError, match="no weights that are only data"):
        chosen([File("model.bin", 10)])


@pytest.mark.parametrize(
    ("listing", "why"),
    [
        (b"<html>", "cannot be read"),
        (b'{"siblings": []}', "cannot be read"),
        (b'{"sha": "main/../x", "siblings": []}', "no revision"),
        (b'{"sha": "c0ffee", "siblings": [{"rfilename": 5}]}', "cannot be read"),
        (b" " * (LISTING_BYTES + 1), "does not end"),
    ],
)
def test_a_listing_that_is_none_is_an_error_of_the_source(hugging_face, folder, display, listing, why):
    hugging_face.files["/api/models/acme/medium/revision/main"] = listing

    with pytest.raises(SourceError, match=why):
        HuggingFace().deliver(find("acme/medium"), folder, display)


@pytest.mark.parametrize("source", [HuggingFace, ModelScope])
def test_a_repository_that_is_not_there_is_named(hub, folder, display, monkeypatch, source):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)

    with pytest.raises(SourceError, match="HTTP 404 for the list of files"):
        source().deliver(find("acme/medium"), folder, display)


def test_a_hub_that_is_gone_is_named(folder, display, monkeypatch):
    with running_hub() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)

    with pytest.raises(SourceError, match="cannot be reached"):
        HuggingFace().deliver(find("acme/medium"), folder, display)
