import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from qwen3_asr_realtime.cli import app
from qwen3_asr_realtime.server import credentials
from qwen3_asr_realtime.server.credentials import SUBPROTOCOL_PREFIX, Keyring, digest_of, shown_key, tenant_of
from qwen3_asr_realtime.settings import SettingsError

ACME = "sk-of-acme-0123456789"
OTHER = "sk-of-another-0123456789"


def rewrite(path: Path, text: str) -> None:
    """Replace a file as editors and secret mounts do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


class TestShownKey:
    @pytest.mark.parametrize(
        ("headers", "query", "subprotocols"),
        [
            ({"authorization": "Bearer sk-1"}, "", []),
            ({"authorization": "bearer  sk-1 "}, "model=m", []),
            ({}, "model=m?api_key=sk-1", []),
            ({"authorization": "Basic x"}, "api_key=sk-1", []),
            ({}, "", ["realtime", f"{SUBPROTOCOL_PREFIX}sk-1"]),
        ],
    )
    def test_one_key_is_one_tenant_however_it_comes(
        self, headers: dict[str, str], query: str, subprotocols: list[str]
    ) -> None:
        assert shown_key(headers, query, subprotocols) == "sk-1"
        name = tenant_of(headers, query, subprotocols)
        assert name == tenant_of({"authorization": "Bearer sk-1"}, "", [])
        assert name not in {"", tenant_of({"authorization": "Bearer sk-2"}, "", [])}
        assert "sk-1" not in name

    def test_no_key_is_no_tenant(self) -> None:
        assert tenant_of({"authorization": "Bearer "}, "model=m", ["realtime"]) == ""

    @given(st.text(), st.text(), st.lists(st.text().map(SUBPROTOCOL_PREFIX.__add__)))
    def test_whatever_a_client_sends(self, header: str, query: str, subprotocols: list[str]) -> None:
        shown = shown_key({"authorization": header}, query, subprotocols)
        assert len(shown) <= credentials.KEY_CHARS_MAX
        assert Keyring(ACME).find(shown) is None


class TestKeyring:
    def test_without_keys_none_is_needed(self) -> None:
        assert not Keyring().is_in_force
        assert not Keyring(" , ").is_in_force

    @pytest.mark.parametrize("entry", [ACME, f"sha256:{digest_of(ACME)}", f"SHA256:{digest_of(ACME).upper()}"])
    def test_plain_or_hashed(self, entry: str) -> None:
        keys = Keyring(f"{OTHER}, {entry}")
        assert keys.is_in_force
        found = keys.find(ACME)
        assert found is not None
        assert found.digest == hashlib.sha256(ACME.encode()).hexdigest()
        assert keys.find(ACME + "x") is None
        assert keys.find("") is None
        assert keys.find(digest_of(ACME)) is None

    def test_no_key_is_kept(self) -> None:
        assert ACME not in repr(vars(Keyring(ACME)))

    def test_every_digest_is_compared_in_constant_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = []

        def compare(kept: str, shown: str) -> bool:
            compared.append(kept)
            return kept == shown

        monkeypatch.setattr(credentials.hmac, "compare_digest", compare)
        keys = Keyring(f"{ACME},{OTHER}")
        for shown in (ACME, OTHER, "neither"):
            compared.clear()
            keys.find(shown)
            assert compared == [digest_of(ACME), digest_of(OTHER)]

    def test_a_file_has_names_bounds_and_comments(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"# ours\n\n{ACME} name=acme sessions=3  # until May\nsha256:{digest_of(OTHER)} name=acme\n")
        keys = Keyring(path=path)
        first, second = keys.find(ACME), keys.find(OTHER)
        assert first is not None
        assert second is not None
        assert (first.name, first.sessions, second.sessions) == ("acme", 3, None)
        assert first.tenant == second.tenant == "acme"  # a key can be changed without a gap

    def test_a_file_that_changes_is_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(ACME)
        keys = Keyring(path=path)
        rewrite(path, OTHER)
        assert keys.find(ACME) is None
        assert keys.find(OTHER) is not None

    def test_an_unchanged_file_is_not_read_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "keys"
        path.write_text(ACME)
        keys = Keyring(path=path)
        rewrite(path, OTHER)
        assert keys.find(ACME) is None
        monkeypatch.setattr(credentials, "_read", lambda path: pytest.fail("read again"))
        assert keys.find(ACME) is None

    @pytest.mark.parametrize("text", ["short", None])
    def test_a_file_that_turns_bad_takes_no_key_away(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "keys"
        path.write_text(ACME)
        keys = Keyring(path=path)
        path.unlink() if text is None else rewrite(path, text)
        assert keys.find(ACME) is not None
        rewrite(path, OTHER)
        assert keys.find(ACME) is None

    def test_a_file_that_could_not_be_read_for_a_moment_is_read_by_the_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: Path) -> None:
            raise OSError(24, "Too many open files", path)

        path = tmp_path / "keys"
        path.write_text(ACME)
        keys = Keyring(path=path)
        rewrite(path, OTHER)
        with monkeypatch.context() as patch:
            patch.setattr(credentials, "_read", fail)
            assert keys.find(ACME) is not None
        assert keys.find(ACME) is None

    def test_with_an_empty_file_no_key_is_good_enough(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.touch()
        keys = Keyring(path=path)
        assert keys.is_in_force
        assert keys.find("") is None

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("sk-tooshort", "16 to 512 characters"),
            ("x" * 513, "16 to 512 characters"),
            ("sha256:12", "64 hexadecimal digits"),
            (f"sha256:{digest_of('')}", "no key at all"),
            ("sk-schlüssel-0123456789", "ASCII"),
            (f"{ACME} acme", "name=NAME"),
            (f"{ACME} sessions=many", "sessions=NUMBER"),
            (f"{ACME} name=", "name=NAME"),
        ],
    )
    def test_what_is_no_entry_is_named_by_its_place_and_not_quoted(
        self, tmp_path: Path, entry: str, words: str
    ) -> None:
        path = tmp_path / "keys"
        path.write_text(f"{OTHER}\n{entry}\n", encoding="utf-8")
        with pytest.raises(SettingsError, match=words) as in_file:
            Keyring(path=path)
        with pytest.raises(SettingsError, match=words) as listed:
            Keyring(f"{OTHER},{entry}")
        assert "line 2" in str(in_file.value)
        assert "entry 2" in str(listed.value)
        assert entry.split(maxsplit=1)[0] not in f"{in_file.value}{listed.value}"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"API_KEYS_FILE=.*No such file"):
            Keyring(path=tmp_path / "keys")


def test_the_key_command_makes_a_key_and_its_digest() -> None:
    keys = set()
    for _ in range(2):
        made, entry = CliRunner().invoke(app, ["key"]).stdout.split()
        keys.add(made)
        assert len(made) > 40
        assert made not in entry
        assert Keyring(entry).find(made) is not None
    assert len(keys) == 2
