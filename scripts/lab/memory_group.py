"""A memory cgroup for processes that are to have less memory than the machine has, cached pages of files included."""

import contextlib
import os
import pathlib

from lab.command import MachineError

ROOT = pathlib.Path("/sys/fs/cgroup")


def _places():
    """(folder to make a group in, the file that bounds it), the older kind of cgroups first where both are mounted."""
    if (ROOT / "memory/memory.limit_in_bytes").exists():
        yield ROOT / "memory", "memory.limit_in_bytes"
    for top in (ROOT, ROOT / "unified"):
        controllers = top / "cgroup.subtree_control"
        if controllers.exists() and "memory" in controllers.read_text(encoding="ascii").split():
            yield top, "memory.max"


@contextlib.contextmanager
def bounded(limit_bytes):
    """Yields a function for a child process to call before its program begins: it joins a new group."""
    for place, bound in _places():
        group = place / f"muster_{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            try:
                (group / bound).write_text(str(limit_bytes), encoding="ascii")
            except OSError:  # a group whose memory this user may not bound
                continue
            yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        finally:
            group.rmdir()
        return
    raise MachineError("memory = unbounded: want a user that may make memory cgroups, such as root; or --only load,write,sync")
