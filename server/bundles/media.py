"""Sticks: where they may be mounted, what room is on them, and the folder on them that is ours.

    <stick>/tram/DOC-MOI.txt                                what this is, in Vietnamese and English
    <stick>/tram/gioi-thieu-h41-12-03.json                  a node's introduction (`server.bundles.introduction`)
    <stick>/tram/h41-12-03_h41-12_000007-1f2e3d4c.001.tram  from, to, number, beginning of the id, part

Names on a stick are for people. What a file is, it says inside, signed; nothing on a stick is ever run.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from replication.bundle import SUFFIX
from replication.bundle.errors import MediumError, medium
from replication.bundle.writer import sync_folder
from server.dossier import units
from server.errors import Refused

ROOTS_VARIABLE = "TRAM_MEDIA_ROOTS"  # folders in which sticks are mounted, separated as in PATH
DEFAULT_ROOTS = ("/media", "/run/media", "/mnt")
FOLDER = "tram"
README = "DOC-MOI.txt"
INTRODUCTION_PREFIX = "gioi-thieu-"
RESERVE_BYTES = 4 * 1024 * 1024  # room for names, introductions and what the file system needs
MAX_FILES = 10_000
_DEPTH = 2  # /media/<user>/<label>

_README_TEXT = """\
DỮ LIỆU CỦA TRẠM (hệ thống một cửa) - XIN ĐỌC
==============================================
Thư mục này chứa hồ sơ đang được chuyển giữa các cơ quan bằng USB.
- Các tệp .tram đã được mã hóa: chỉ máy chủ của cơ quan nhận mới mở được.
- Xin đừng đổi tên, sửa hoặc xóa. Không có chương trình nào để chạy ở đây.
- Cách nhận: cắm USB vào máy chủ của cơ quan nhận, mở Bàn làm việc, mục "USB", bấm "Nhận".
- Nhặt được USB này: xin nộp lại cho Ủy ban nhân dân xã, phường gần nhất.

DATA OF TRAM (one-stop office system) - PLEASE READ
===================================================
This folder holds dossiers on their way between offices by USB stick.
- The .tram files are encrypted: only the server of the receiving office can open them.
- Please do not rename, change or delete them. There is no program to run here.
- To take them in: plug the stick into the receiving office's server, open the desk, "USB", press "Take in".
- If you found this stick: please hand it in at the nearest commune People's Committee.
"""


@dataclass(frozen=True, slots=True)
class Stick:
    """A place offered for bundles: `path`, its last name as `label`, bytes free and in all, may we write."""

    path: Path
    label: str
    free: int
    total: int
    writable: bool


def media_roots() -> list[Path]:
    """Return the folders in which sticks are looked for."""
    text = os.environ.get(ROOTS_VARIABLE, "")
    return [Path(each) for each in (text.split(os.pathsep) if text else DEFAULT_ROOTS) if each]


def find_sticks() -> list[Stick]:
    """Return what is mounted below the media roots, and a root that is itself a mount point.

    The folders of a root that somebody named in TRAM_MEDIA_ROOTS are offered though nothing is mounted there: a share
    of the office, a folder another program copies.
    """
    named = bool(os.environ.get(ROOTS_VARIABLE))
    paths = {path for root in media_roots() for path in (*_mounts(root, _DEPTH), *(_folders(root) if named else ()))}
    return [each for path in sorted(paths) if (each := _stick(path)) is not None]


def _mounts(root: Path, depth: int) -> Iterator[Path]:
    try:
        if root.is_symlink() or not root.is_dir():
            return
        if os.path.ismount(root):
            yield root
        if depth:
            for child in sorted(root.iterdir()):
                yield from _mounts(child, depth - 1)
    except OSError:  # a folder of another user, a stick that is being pulled out: not offered
        return


def _folders(root: Path) -> list[Path]:
    try:
        return [each for each in root.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:  # not there now
        return []


def _stick(path: Path) -> Stick | None:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Stick(path, path.name or str(path), usage.free, usage.total, os.access(path, os.W_OK))


def open_folder(path: Path) -> Path:
    """Return our folder on the stick mounted at `path`, made if it is not there, with the note for people in it.

    Raises `Refused("no_medium")` if there is no stick, `MediumError` if it cannot be written.
    """
    if not path.is_dir():
        raise Refused("no_medium", f"{path} is not there; put the stick in, and look where it is mounted")
    folder = path / FOLDER
    with medium(folder):
        if folder.is_symlink():
            raise MediumError("failed", f"{folder} leads somewhere else; remove that link, it is not ours")
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(path)
        readme = folder / README
        if not _is_plain(readme) or readme.stat().st_size != len(_README_TEXT.encode()):
            write_plain(readme, _README_TEXT.encode())
    return folder


def write_plain(path: Path, data: bytes) -> None:
    """Replace a small file on a stick durably, by way of a new one: a link of that name is replaced, not followed."""
    beside = path.with_name(f"{path.name}.part")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    sync_folder(path.parent)


def remove_halves(folder: Path, source: str) -> None:
    """Take what was left of bundles of the unit `source` that were never finished, by a stick pulled out, out of our
    folder on a stick. Raises `MediumError`."""
    with medium(folder):
        for path in folder.glob(f"{units.dashed(source)}_*{SUFFIX}.part"):
            path.unlink()


def free_bytes(path: Path) -> int:
    """Return how much a bundle may take on the medium at `path`. Raises `MediumError`."""
    with medium(path):
        return max(0, shutil.disk_usage(path).free - RESERVE_BYTES)


def bundles_at(path: Path) -> list[Path]:
    """Return the files at `path` that may be parts: `path` itself, or those in it and in our folder, by name.

    Links and anything but plain files are left out. Raises `Refused("no_medium")`, `MediumError`.
    """
    if _is_plain(path):
        return [path]
    return _files(path, lambda name: name.endswith(SUFFIX))


def introductions_at(path: Path) -> list[Path]:
    """Return the introductions at `path`."""
    if _is_plain(path):
        return []
    return _files(path, lambda name: name.startswith(INTRODUCTION_PREFIX) and name.endswith(".json"))


def _files(path: Path, wanted: Callable[[str], bool]) -> list[Path]:
    if not path.is_dir():
        raise Refused("no_medium", f"{path} is not there; put the stick in, and look where it is mounted")
    found: list[Path] = []
    with medium(path):
        for folder in (path, path / FOLDER):
            if folder.is_dir() and not folder.is_symlink():
                shown = [each for each in folder.iterdir() if not each.name.startswith("._")]  # what a Mac lays beside
                found += [each for each in shown if wanted(each.name.lower()) and _is_plain(each)]
    if len(found) > MAX_FILES:
        raise Refused("too_large", f"{path} holds {len(found)} bundles; at most {MAX_FILES} are looked at")
    return sorted(found)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
