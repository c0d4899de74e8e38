"""A node's home as one backup, and a home out of a backup.

    OUT/backup.json      what this is, when it was made, how it is sealed, size and SHA-256 of the archive
    OUT/home.tar.zst     everything the home is (…tar.zst.age where it is sealed), its manifest as the last member
    OUT/key.age          with a passphrase: the age identity that opens the archive, sealed with the passphrase

archive     the stream through tar, Zstandard and age, both ways
manifest    backup.json and the manifest as values
contents    which files make up a home, in which order, each as of one instant
making      `make_backup`
restoring   `restore`: everything is proven in a folder beside before it becomes the home
restored    the note a restored node keeps: `restored_since`

docs/formats/backup.md has the format, docs/decisions/0081 the reasons.
"""

from server.backup.making import Made, make_backup
from server.backup.restored import Restored, restored_since
from server.backup.restoring import restore
from server.backup.seals import Key, Seal

__all__ = ["Key", "Made", "Restored", "Seal", "make_backup", "restore", "restored_since"]
