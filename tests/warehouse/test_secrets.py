"""Files of secrets, and what they encrypt."""

import base64
import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from warehouse.owner_files import SecretError
from warehouse.secrets import KeyRing, Sealed, ensure_owner_key, new_webhook_secret, webhook_keys
from warehouse.settings import Settings

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def settings_of(home: Path, url: str = "postgresql://nowhere/x") -> Settings:
    return Settings(home=home, database_url=SecretStr(url), dagster_database_url=SecretStr(url), now=NOW)


def test_a_sealed_secret_opens_with_the_same_ring_for_the_same_row_only() -> None:
    ring = KeyRing({"k1": bytes(32)})
    sealed = ring.seal("whsec_abc", bound_to="row 1")
    assert ring.open(sealed, bound_to="row 1") == "whsec_abc"
    assert b"whsec" not in sealed.content
    with pytest.raises(SecretError, match="row 2 must decrypt"):
        ring.open(sealed, bound_to="row 2")
    with pytest.raises(SecretError, match="row 1 must decrypt"):
        ring.open(Sealed("k1", sealed.content[:-1]), bound_to="row 1")
    with pytest.raises(SecretError, match="row 1 must decrypt"):
        ring.open(Sealed("k1", b""), bound_to="row 1")


def test_the_same_text_is_never_encrypted_to_the_same_bytes() -> None:
    ring = KeyRing({"k1": bytes(32)})
    assert ring.seal("x", bound_to="r").content != ring.seal("x", bound_to="r").content


def test_a_ring_with_a_newer_key_still_opens_what_the_old_one_sealed() -> None:
    old = KeyRing({"k1": bytes(32)})
    both = KeyRing({"k2": bytes(range(32)), "k1": bytes(32)})
    assert both.open(old.seal("x", bound_to="r"), bound_to="r") == "x"
    assert both.seal("x", bound_to="r").key_id == "k2"
    with pytest.raises(SecretError, match=r"the key 'k2' must be in keys/webhook_secrets; found \['k1'\]"):
        old.open(both.seal("x", bound_to="r"), bound_to="r")


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    sealed = webhook_keys(settings).seal("x", bound_to="r")
    assert webhook_keys(settings).open(sealed, bound_to="r") == "x"
    folder = tmp_path / "home" / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [("webhook_secrets", 0o600)]


def test_keys_of_the_settings_encrypt_and_the_file_of_before_still_opens_what_it_sealed(tmp_path: Path) -> None:
    before = settings_of(tmp_path / "home")
    sealed = webhook_keys(before).seal("x", bound_to="r")
    given = SecretStr(f"{'a' * 64},{'b' * 64}")
    ring = webhook_keys(before.model_copy(update={"encryption_keys": given}))
    assert ring.open(sealed, bound_to="r") == "x"
    # Another machine with the same settings and no such file opens what is sealed from now on.
    elsewhere = webhook_keys(Settings(home=tmp_path / "other", encryption_keys=given))
    assert elsewhere.open(ring.seal("y", bound_to="r"), bound_to="r") == "y"
    assert not (tmp_path / "other").exists()


def test_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: webhook_keys(settings), range(16)))
    sealed = rings[0].seal("x", bound_to="r")
    assert {ring.open(sealed, bound_to="r") for ring in rings} == {"x"}


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    webhook_keys(settings)
    (tmp_path / "keys" / "webhook_secrets").chmod(0o644)
    with pytest.raises(SecretError, match=r"its mode is 644\. Run chmod 600"):
        webhook_keys(settings)


@pytest.mark.parametrize("content", ["", "k1", "k1 c2hvcnQ=", "k1 not!base64", "k1 YQ== more"])
def test_a_key_file_that_was_changed_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    settings = settings_of(tmp_path)
    webhook_keys(settings)
    (tmp_path / "keys" / "webhook_secrets").write_text(content)
    with pytest.raises(SecretError, match="must hold what was written into it"):
        webhook_keys(settings)


def test_the_local_owner_has_one_key_whose_hash_alone_is_in_the_database(tmp_path: Path, database: Any) -> None:
    settings = settings_of(tmp_path, database.owner_url)
    path = ensure_owner_key(settings)
    key = path.read_text().strip()
    assert ensure_owner_key(settings) == path
    assert path.read_text().strip() == key
    assert path.stat().st_mode & 0o777 == 0o600
    prefix, api_key_id, secret = key.split("_")
    assert prefix == "fl"
    with database.connect() as connection:
        rows = connection.execute(
            "select k.api_key_id, k.key_hash, k.label, k.created_at, k.revoked_at, u.role"
            " from app.api_keys as k inner join app.users as u on u.user_id = k.user_id"
        ).fetchall()
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    assert rows == [(api_key_id, hashed, "local owner", NOW, None, "admin")]


def test_a_database_made_anew_learns_the_key_that_the_owner_has(tmp_path: Path, database: Any) -> None:
    settings = settings_of(tmp_path, database.owner_url)
    key = ensure_owner_key(settings).read_text()
    with database.connect() as connection:
        connection.execute("delete from app.api_keys")
    assert ensure_owner_key(settings).read_text() == key
    with database.connect() as connection:
        assert connection.execute("select count(*) from app.api_keys").fetchone() == (1,)


def test_a_key_that_was_revoked_stays_revoked(tmp_path: Path, database: Any) -> None:
    settings = settings_of(tmp_path, database.owner_url)
    ensure_owner_key(settings)
    with database.connect() as connection:
        connection.execute("update app.api_keys set revoked_at = now()")
    ensure_owner_key(settings)
    with database.connect() as connection:
        assert connection.execute("select count(*) from app.api_keys where revoked_at is null").fetchone() == (0,)


def test_an_owner_key_that_was_changed_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (tmp_path / "keys").mkdir()
    path = tmp_path / "keys" / "owner_api_key"
    path.write_text("something")
    path.chmod(0o600)
    with pytest.raises(SecretError, match="owner_api_key must hold what was written into it"):
        ensure_owner_key(settings)


def test_a_webhook_secret_is_32_random_bytes() -> None:
    first, second = new_webhook_secret(), new_webhook_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32
