"""Executables of commits, built in a cache that may be deleted at any time.

    tree/               the commit that is being built, a git worktree, and its build; removed when it is built
    COMMIT/muster       an executable, kept; used last when it was last touched
    COMMIT.log          what the last build of a commit said that failed
    lock                held while a comparison uses the cache

Every commit is built from nothing at one path, so that two builds of the same source are the same bytes, and no
setting of one commit's build folder leaks into another's.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from lab.command import Failure, MachineError, RequestError, end_with_parent
from lab.place import ROOT

KEPT_MAX = 16  # executables; a few MB each


def default_folder():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster/regress"


class BuildError(Failure):
    """A commit that cannot be built."""


class Cache:
    """Held by one process at a time, as a context."""

    def __init__(self, folder, repository=ROOT, say=print):
        self.folder = Path(folder).resolve()
        self.repository = Path(repository)
        self.say = say

    def __enter__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = open(self.folder / "lock", "w", encoding="utf-8")
        except OSError as error:
            raise MachineError(f"--cache = {self.folder}: {error.strerror}; want a folder that can be written") from error
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.lock.close()
            raise MachineError(
                f"--cache = {self.folder}: another comparison uses it and would be disturbed; want it to end first"
            ) from error
        return self

    def __exit__(self, *_):
        self.lock.close()

    def commit(self, key, revision):
        """The full name of a commit."""
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode != 0:
            raise RequestError.of(key, revision, "a commit of this repository (git log; a shallow clone lacks old ones)")
        return done.stdout.strip()

    def has_changes(self):
        """Whether tracked files differ from HEAD."""
        return self._git("diff", "--quiet", "HEAD", "--").returncode == 1

    def executable(self, commit, change=None, name=None):
        """The path of `muster` at a commit, built if need be. change(tree) edits the source first, under another name."""
        name = name or commit
        kept = self.folder / name / "muster"
        if kept.exists():
            os.utime(kept.parent)
            return kept
        self.say(f"building {name[:12]} ...")
        try:
            self._build(commit, change, name, kept)
        except OSError as error:
            raise MachineError(f"--cache = {self.folder}: {error.strerror}; want room for a build") from error
        finally:
            self._remove_tree()
        self._forget()
        return kept

    def _build(self, commit, change, name, kept):
        tree = self.folder / "tree"
        log = self.folder / f"{name}.log"
        with open(log, "wb") as out:
            self._remove_tree()  # a build that was killed left it
            self._run(name, log, out, ["git", "worktree", "add", "--detach", "--force", tree, commit], self.repository)
            if change is not None:
                change(tree)
            settings = ["-DCMAKE_BUILD_TYPE=Release", "-DMUSTER_BUILD_TESTS=OFF"]
            self._run(name, log, out, ["cmake", "-S", ".", "-B", "build", "-G", "Ninja", *settings], tree)
            self._run(name, log, out, ["ninja", "-C", "build", "muster"], tree)
        partial = self.folder / f"{name}.new"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        shutil.copy2(tree / "build/bin/muster", partial / "muster")
        partial.rename(kept.parent)
        log.unlink()

    def _run(self, name, log, out, command, where):
        try:
            process = subprocess.Popen(
                command, cwd=where, env=_environment(), stdout=out, stderr=out, preexec_fn=end_with_parent
            )
        except FileNotFoundError as error:
            raise MachineError(f"{command[0]} is not there: want what scripts/packages.txt lists") from error
        try:
            process.wait()
        except BaseException:  # an interrupt: ninja ends its compilers when it is asked, and not when it is killed
            process.terminate()
            process.wait()
            raise
        if process.returncode != 0:
            said = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
            first = next((line.strip() for line in said if "error:" in line.lower() or "CMake Error" in line), "")
            raise BuildError(f"{name[:12]} cannot be built: {first[:200] or 'no reason given'} [{log}]")

    def _remove_tree(self):
        shutil.rmtree(self.folder / "tree", ignore_errors=True)
        self._git("worktree", "prune")

    def _forget(self):
        """Removes the executables that were used longest ago."""
        entries = sorted(self.folder.glob("*/muster"), key=lambda path: path.parent.stat().st_mtime)
        for path in entries[:-KEPT_MAX]:
            shutil.rmtree(path.parent)

    def _git(self, *words):
        command = ["git", "-C", str(self.repository), *words]
        try:
            return subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise MachineError("git is not there: want what scripts/packages.txt lists") from error


def _environment():
    """Without variables that would point git at another repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
