"""Files read and written so that nothing hangs, nothing is half there, and two processes do not cross."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.1  # seconds between two attempts to get a lock
FAR = 1 << 30  # where a lock stands on Windows, which would keep others from reading the bytes it covers
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read(path: Path) -> bytes:
    """The bytes of a regular file. Raises OSError; a pipe or a device is refused and never waited for."""
    handle = os.open(path, READ)
    with os.fdopen(handle, "rb") as file:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    write_bytes(path, text.encode("utf-8", "replace"))  # file names may hold half a character


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: what stood there stays until all of the new one is on the disk's books."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)  # noqa: PTH105 - replaces on Windows too
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def held(path: Path, wait: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file for as long as the block lasts; it is made if needed, and its content left alone.

    wait     seconds to wait for another process that holds it; one that dies lets go of it
    waiting  told once, when there is something to wait for

    Raises TimeoutError when it is still held then, OSError when the file cannot be opened. Where the file system has
    no locks, the block runs without.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        try:
            handle = os.open(path, READ)
        except OSError:
            raise error from None
    until, told = time.monotonic() + wait, False
    try:
        while not _taken(handle):
            if time.monotonic() >= until:
                raise TimeoutError(f"{path} is held by another process")
            if not told:
                waiting()
                told = True
            time.sleep(PAUSE)
        yield
    finally:
        os.close(handle)  # which lets go of the lock


def _taken(handle: int) -> bool:
    """Try to take the lock; False while another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def remove(path: Path) -> None:
    """Take a file, a folder with all that is in it, or a link (and not what it leads to) away, if it is there."""
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def swapped(one: Path, other: Path) -> bool:
    """Exchange two names in one step, so that both are there at every moment; False where the system cannot.

    Linux alone has a call for it (renameat2 with RENAME_EXCHANGE), and some file systems lack it.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    at_here, exchange = -100, 2
    with contextlib.suppress(AttributeError, OSError):  # a C library without the call
        call = ctypes.CDLL(None, use_errno=True).renameat2
        return bool(call(at_here, os.fsencode(one), at_here, os.fsencode(other), exchange) == 0)
    return False
