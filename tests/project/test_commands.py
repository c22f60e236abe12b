"""Commands in surroundings that are not a developer's terminal: streams, locale, CDPATH, files that are no files."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

import project
import samples
from lab import command
from project import PYTHON, ROOT

COMMANDS = [
    path
    for path in sorted([*ROOT.glob("scripts/*"), *ROOT.glob("plots/*.py")])
    if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/python3")
]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Output(Folder):
    def test_output_that_cannot_be_written_is_one_line(self):
        self.assertGreater(len(COMMANDS), 6)
        for path in COMMANDS:
            for to in (">/dev/full", ">&-"):
                with self.subTest(command=path.name, to=to):
                    done = project.run("bash", "-c", f'"$@" {to}', "bash", PYTHON, "-B", path, "--help")
                    self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
                    self.assertIn("standard output", done.stderr)

    def test_a_table_that_cannot_be_written_is_one_line(self):
        (self.folder / "result.json").write_text(json.dumps(samples.result()), encoding="utf-8")
        table = f"{PYTHON} -B {ROOT}/scripts/table.py {self.folder}"
        done = project.run("bash", "-c", f"{table} >/dev/full")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
        self.assertEqual(project.run("bash", "-c", f"{table} | true").stderr, "")  # a reader that has seen enough

    def test_a_locale_of_ascii_stops_no_table(self):
        (self.folder / "result.json").write_text(json.dumps(samples.result()), encoding="utf-8")
        ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [PYTHON, "-B", ROOT / "scripts/table.py", self.folder], capture_output=True, env=ascii_only, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn("±", done.stdout.decode("utf-8"))

    def test_a_mistake_is_one_line(self):
        for words in (["table.py"], ["table.py", "x", "y"], ["sweep.py", "x"], ["sweep.py", "--out"], ["lag_benchmarks.py", "x"]):
            with self.subTest(words=words):
                done = project.run(PYTHON, "-B", ROOT / "scripts" / words[0], *words[1:])
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)


class OutFile(Folder):
    def test_what_is_no_file_is_written_into_and_not_replaced(self):
        link, target, pipe = (self.folder / name for name in ("link", "target", "pipe"))
        link.symlink_to(target)
        command.write_text("through", command.out_file(link))
        self.assertEqual((link.is_symlink(), target.read_text(encoding="utf-8")), (True, "through"))
        os.mkfifo(pipe)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
        command.write_text("piped", command.out_file(pipe))
        self.assertEqual((reader.communicate(timeout=60)[0], stat.S_ISFIFO(pipe.stat().st_mode)), (b"piped", True))
        command.write_text("gone", command.out_file("/dev/null"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_standard_output_as_a_file_comes_before_what_is_printed_after_it(self):
        program = (
            f"import sys; sys.path.insert(0, '{ROOT}/scripts'); from lab import command; print('first'); "
            "command.write_text('second\\n', command.out_file('/dev/stdout')); print('third')"
        )
        out = self.folder / "out"
        with open(out, "wb") as file:
            subprocess.run([PYTHON, "-B", "-c", program], stdout=file, check=True)
        self.assertEqual(out.read_text(encoding="utf-8"), "first\nsecond\nthird\n")
        self.assertTrue(os.path.islink("/dev/stdout"))

    def test_what_cannot_be_written_is_said_before_anything_is_measured(self):
        with self.assertRaisesRegex(command.RequestError, "folder"):
            command.out_file(self.folder)
        (self.folder / "file").touch()
        with self.assertRaises(command.MachineError):
            command.out_file(self.folder / "file/below")
        command.out_file(self.folder / "new/result.json")
        self.assertEqual(list((self.folder / "new").iterdir()), [])


class Directories(Folder):
    def test_cdpath_leads_no_script_elsewhere(self):
        """A copy whose set-up and tests only say that they were found."""
        for path in ("scripts/test", "scripts/crash_loop", ".ci/run"):
            with self.subTest(script=path):
                tree = self.folder / "tree"
                shutil.rmtree(tree, ignore_errors=True)
                for name in ("scripts/setup", "scripts/test", path):
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    (tree / name).write_text("#!/bin/bash\necho found >&2\nexit 7\n", encoding="utf-8")
                    (tree / name).chmod(0o755)
                shutil.copy(ROOT / path, tree / path)
                done = project.run(path, cwd=tree, env={**os.environ, "CDPATH": str(tree)})
                self.assertIn("found", done.stderr)
                self.assertNotIn("No such file", done.stderr)

    def test_no_script_follows_cdpath(self):
        for path in project.files():
            text = path.read_bytes()
            if text.startswith((b"#!/bin/bash", b"#!/bin/sh")):
                for line in text.decode("utf-8").splitlines():
                    if " cd " in f" {line.replace('(', ' ')}":
                        self.assertRegex(line, r'CDPATH= cd -- |cd -- "\$root"', path)


if __name__ == "__main__":
    unittest.main()
