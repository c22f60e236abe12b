"""A guest of 2 NUMA nodes with 2 units each, and what its kernel says of threads and memory. scripts/test --all runs it.

The large one: scripts/numa_guest."""

import json
import tempfile
import unittest
from pathlib import Path

import project  # first: it finds scripts/
from lab import guest_checks, guests, runs
from project import BUILD, PYTHON, ROOT

WHY_NOT = guests.missing()
MACHINE = guests.Machine(nodes=2, units=2)


def step(workers, tasks, flusher=3, code=0):
    """As a guest would say it."""
    found = [{"worker": i, "asked": unit, "found": unit} for i, unit in enumerate(workers)]
    result = {"placement": {"workers": found, "flusher": {"asked": flusher, "found": flusher}}}
    said = "".join(f"task {may} {on}\n" for may, on in tasks)
    return guests.Step(code, said + "result:\n" + json.dumps(result), "")


class Judgement(unittest.TestCase):
    """What is not as it was asked for is found: no guest is needed."""

    def setUp(self):
        keys = runs.Muster(project.MUSTER).keys
        self.compact = next(c for c in guest_checks.checks(MACHINE, keys) if c.name == "threads-compact")

    def failures(self, of):
        return guest_checks.judged([self.compact], {self.compact.name: of})

    def test_what_was_asked_for_passes_and_what_was_not_is_named(self):
        good = [("0-3", 2), (0, 0), (1, 1), (2, 2), (3, 3)]
        self.assertEqual(self.failures(step([0, 1, 2], good))[1], 0)
        for wrong, word in (
            (step([0, 2, 1], good), "asked for"),
            (step([0, 1, 2], good[:-1]), "the kernel says pinned"),
            (step([0, 1, 2], [*good[:-1], (3, 1)]), "elsewhere"),
            (step([0, 1, 1], good), "twice"),
            (guests.Step(1, "", "a reason"), "a reason"),
            (guests.Step(0, "nothing", ""), "FAILED"),
        ):
            lines, failed = self.failures(wrong)
            self.assertEqual(failed, 1, lines)
            self.assertIn(word, lines[0])

    def test_a_machine_that_cannot_be_is_one_line(self):
        for words in (["--nodes", "1"], ["--nodes", "99", "--units", "99"], ["--units", "3", "--threads-per-core", "2"], ["--units", "0"]):
            done = project.run(PYTHON, "-B", ROOT / "scripts/numa_guest", *words)
            self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
        if not WHY_NOT:
            done = project.run(PYTHON, "-B", ROOT / "scripts/numa_guest", "--nodes", "2", env={"PATH": "/nowhere"})
            self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SmallGuest(unittest.TestCase):
    def test_threads_and_memory_are_where_they_were_asked_to_be(self):
        checks = guest_checks.checks(MACHINE, runs.Muster(project.MUSTER).keys)
        guest = guests.Guest(MACHINE, project.MUSTER, BUILD.parent / "guest", {check.name: check.lines for check in checks})
        steps, _ = guest.run(limit_s=500)
        lines, failed = guest_checks.judged(checks, steps)
        self.assertEqual(failed, 0, "\n".join(lines))
        self.assertGreaterEqual(len(lines), 6)

    def test_a_guest_that_does_not_end_or_begin_is_said_in_one_line(self):
        guest = guests.Guest(MACHINE, project.MUSTER, BUILD.parent / "guest", {"long": "sleep 1000"})
        with self.assertRaisesRegex(guests.Failure, "does not end within"):
            guest.run(limit_s=2)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "vmlinuz-0").write_bytes(b"no kernel")
            with self.assertRaises(guests.MachineError):
                guests.Guest(MACHINE, project.MUSTER, folder, {}).run(limit_s=60)


if __name__ == "__main__":
    unittest.main()
