"""Where a CA key is: in a file, or in a token that a file names."""

from __future__ import annotations

import pytest

from crypto import keys
from server.errors import Refused
from server.home.cakeys import KeyPlace

URI = "pkcs11:token=tram;object=ca"


def kept(folder):
    """Return the content of every file in a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_token_that_moves_in_leaves_no_key_beside_it(tmp_path):
    """After a rollover from file to token one of the two alone says which key is the CA's, and nothing is next."""
    present, following = KeyPlace(tmp_path / "ca.key"), KeyPlace(tmp_path / "ca-next.key")
    present.write(keys.generate_p256())
    following.write_token(URI)

    following.move_to(present)

    assert kept(tmp_path) == {"ca.token": URI.encode() + b"\n"}
    assert present.exists()
    assert not following.exists()


def test_a_key_that_moves_in_replaces_a_token(tmp_path):
    """The other way round as well: the key is read from the file, not asked of the token of yesterday."""
    present, following = KeyPlace(tmp_path / "ca.key"), KeyPlace(tmp_path / "ca-next.key")
    present.write_token(URI)
    key = keys.generate_p256()
    following.write(key)

    following.move_to(present)

    assert sorted(kept(tmp_path)) == ["ca.key"]
    assert present.read().public_key() == key.public_key()


def test_what_was_kept_once_is_not_written_over(tmp_path):
    """A rollover cut short after the promotion keeps the old key again: the new one must not take its place."""
    present, earlier = KeyPlace(tmp_path / "ca.key"), KeyPlace(tmp_path / "ca-01234567.key")
    old = keys.generate_p256()
    present.write(old)
    present.copy_to(earlier)
    present.write(keys.generate_p256())

    present.copy_to(earlier)

    assert earlier.read().public_key() == old.public_key()


def test_an_empty_place_says_which_file_is_missing(tmp_path):
    """Reading where nothing is names the file."""
    with pytest.raises(Refused, match=r"ca\.key") as caught:
        KeyPlace(tmp_path / "ca.key").read()

    assert caught.value.code == "no_file"
