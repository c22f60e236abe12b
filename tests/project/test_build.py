"""Whose build it is: harness/build_info.cmake, in the repositories and surroundings that users have."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import project

CMAKE = shutil.which(os.environ.get("MUSTER_CMAKE", "cmake"))


class Commit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.source = self.folder / "source"
        self.source.mkdir()
        (self.source / "file").write_text("content")

    def git(self, *words, where=None):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", where or self.source, *words],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        return done.stdout.strip()

    def repository(self, where):
        self.git("init", "-q", where=where)
        self.git("add", ".", where=where)
        self.git("commit", "-qm", "all", where=where)
        return self.git("rev-parse", "HEAD", where=where)

    def recorded(self, **environment):
        out = self.folder / "build_info.h"
        out.unlink(missing_ok=True)
        done = project.run(
            CMAKE, f"-DSOURCE={self.source}", f"-DOUTPUT={out}", "-DVERSION=1", "-P",
            project.ROOT / "harness/build_info.cmake", env={**os.environ, **environment},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.search(r'kGitCommit = "(.*)"', out.read_text(encoding="utf-8")).group(1)

    def test_a_repository_of_its_own_is_recorded_and_a_change_shows(self):
        commit = self.repository(self.source)
        self.assertEqual(self.recorded(), commit)
        (self.source / "file").write_text("changed")
        self.assertEqual(self.recorded(), commit + "-dirty")

    def test_a_repository_around_it_is_not_its_own(self):
        self.repository(self.folder)
        self.assertEqual(self.recorded(), "unknown")

    def test_variables_that_name_another_repository_are_ignored(self):
        other = self.folder / "other"
        shutil.copytree(self.source, other)
        (other / "file").write_text("another content")
        self.repository(other)
        self.assertEqual(self.recorded(GIT_DIR=f"{other}/.git"), "unknown")
        commit = self.repository(self.source)
        self.assertEqual(self.recorded(GIT_DIR=f"{other}/.git", GIT_WORK_TREE=str(other)), commit)

    def test_a_tree_that_cannot_be_looked_at_is_not_clean(self):
        commit = self.repository(self.source)
        (self.source / ".git/index").write_bytes(b"no index")
        self.assertEqual(self.recorded(), commit + "-dirty")

    def test_without_git_the_commit_is_unknown(self):
        self.repository(self.source)
        self.assertEqual(self.recorded(PATH="/nowhere"), "unknown")


class CrashLoop(unittest.TestCase):
    """Bad requests are no losses."""

    def refused(self, *words):
        with tempfile.TemporaryDirectory() as folder:
            done = project.run(project.BUILD / "bin/crash_loop", "--directory", folder, *words, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        return done.stderr

    def test_bad_arguments(self):
        for words in (
            ["--kills", "-1"], ["--kills", "0"], ["--kills", "many"], ["--threads", "0"], ["--threads", "-1"],
            ["--algorithm", "no_such"], ["--algorithm", "null"], ["--policy", "async"], ["--seed", "-1"], ["--bogus"],
        ):  # fmt: skip
            with self.subTest(words=words):
                self.refused(*words)

    def test_a_folder_where_another_one_is_at_work(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [project.BUILD / "bin/crash_loop", "--directory", folder, "--kills", "1000", "--algorithm", "mutex"]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
                try:
                    while not (Path(folder) / "mutex-durable-btree").exists():
                        self.assertIsNone(first.poll())
                    second = project.run(*command, timeout=60)
                finally:
                    first.kill()
            self.assertEqual(second.returncode, 2, second.stderr)
            self.assertIn("another crash_loop is at work there", second.stderr)


if __name__ == "__main__":
    unittest.main()
