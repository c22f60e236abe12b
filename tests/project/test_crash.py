"""scripts/crash: what it prints of what it found, that it goes on where it was stopped, that a number leads back."""

import importlib.machinery
import importlib.util
import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

import project
from project import BUILD, ROOT

SCRIPT = ROOT / "scripts/crash"


def load():
    loader = importlib.machinery.SourceFileLoader("crash", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("crash", loader))
    loader.exec_module(module)
    module.EXECUTABLE = BUILD / "bin/power_loss"
    return module


class Request:
    algorithms, policies, tables, seed = ["mutex"], ["durable"], ["btree"], 1
    images, budget_s, jobs, torn, image = 60, None, 1, False, None

    def __init__(self, out, **more):
        self.out = out
        self.__dict__.update(more)


def printed(action, request):
    with redirect_stdout(io.StringIO()) as said:
        code = action(request)
    return code, said.getvalue()


class Crash(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.crash = load()

    def test_images_are_opened_and_none_is_wrong(self):
        code, said = printed(self.crash.explore, Request(self.out))
        self.assertEqual(code, 0, said)
        last = said.splitlines()[-1].split()
        self.assertEqual((last[0], last[-2:]), ("all", ["60", "0"]), said)

    def test_the_same_command_goes_on(self):
        first = printed(self.crash.explore, Request(self.out))
        self.crash.EXECUTABLE = Path("/nowhere")  # whatever is there already needs none
        self.assertEqual(printed(self.crash.explore, Request(self.out)), first)

    def test_algorithms_policies_and_tables_take_turns(self):
        request = Request(self.out, algorithms=["a", "b"], policies=["p", "q"], tables=["t", "u"], images=4000)
        runs = [run.setting for run in self.crash.planned(request)]
        said = [f"{run['algorithm']}{run['policy']}{run['tables']}{run['seed']}" for run in runs]
        self.assertEqual(said, ["apt1", "bqu2", "aqt3", "bpu4", "apu5", "bqt6", "aqu7", "bpt8"])

    def test_both_kinds_of_tables_have_a_row_each(self):
        self.crash.RUN_IMAGES = 40
        code, said = printed(self.crash.explore, Request(self.out, algorithms=["mutex", "eleda"], tables=["lsm", "mixed"], images=80))
        self.assertEqual(code, 0, said)
        self.assertEqual([line.split()[2] for line in said.splitlines()[1:-1]], ["lsm", "mixed"], said)

    def test_a_violation_is_named_and_its_number_leads_back(self):
        self.crash.EXECUTABLE = BUILD / "bin/power_loss_master_before_tables"
        code, said = printed(self.crash.explore, Request(self.out, images=300))
        self.assertEqual(code, 1, said)
        numbers = [line.split(": ")[0] for line in said.splitlines() if self.crash.NUMBER.match(line)]
        self.assertTrue(numbers, said)
        direct = [number for number in numbers if "/" not in number]  # a recovery's threads may go another way
        for number in direct[:2]:
            code, said = printed(self.crash.replay, Request(self.out, image=number))
            self.assertEqual(code, 1, said)
            self.assertIn("its files: ", said)

    def test_bad_requests_are_refused_in_one_line(self):
        for words in (
            ["--image", "x"],
            ["--image", "7:1.2"],
            ["--images", "0"],
            ["--images", "5", "--budget-s", "5"],
            ["--algorithms", ""],
            ["--algorithms", "nonsense"],
            ["--tables", "nonsense"],
            ["--out", "/proc/none"],
        ):
            with self.subTest(words=words):
                done = project.run(SCRIPT, "--out", self.out, *words)
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)


if __name__ == "__main__":
    unittest.main()
