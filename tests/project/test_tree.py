"""The tree's own rules: who may include whom, what documents, lists and scripts have to be."""

import os
import re
import unittest

import project
from project import ROOT

LAYERS = ["algorithms", "engine", "workloads", "harness", "tests"]  # each may include itself and those before it
HARNESS_ONLY = re.compile(r"hwloc|numa(if)?\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def wrong_includes(folder, text):
    """The includes of a file in `folder` that the layers forbid."""
    wrong = []
    for name in INCLUDE.findall(text):
        to = name.split("/")[0]
        if to in LAYERS and LAYERS.index(to) > LAYERS.index(folder):
            wrong.append(name)
        if HARNESS_ONLY.search(name) and folder not in ("harness", "tests"):
            wrong.append(name)
    return wrong

# What changes files or opens them. The seam of engine/io/file.h sees the engine's, and so do the crash tests.
PAST_THE_SEAM = re.compile(
    r"\b(?:fs|filesystem)::(?:rename|remove\w*|create_\w+|copy\w*|resize_file|permissions)\("
    r"|(?<!\w)::(?:open|creat|p?writev?|fsync|fdatasync|ftruncate|truncate|unlink|rename|mkdir|rmdir|fallocate|posix_fallocate)\("
    r"|\bstd::[io]?fstream\b|\bfopen\("
)
THE_SEAM = "engine/io/file.cpp"


class Includes(unittest.TestCase):
    def test_no_layer_includes_one_above_it(self):
        seen = 0
        for path in project.files(".h", ".cpp"):
            folder = path.relative_to(ROOT).parts[0]
            if folder in LAYERS:
                seen += 1
                self.assertEqual(wrong_includes(folder, path.read_text(encoding="utf-8")), [], path)
        self.assertGreater(seen, 20)

    def test_the_engine_reaches_files_through_one_seam(self):
        self.assertRegex((ROOT / THE_SEAM).read_text(encoding="utf-8"), PAST_THE_SEAM)
        for path in project.files(".h", ".cpp"):
            place = path.relative_to(ROOT).as_posix()
            if place.startswith("engine/") and place != THE_SEAM:
                self.assertNotRegex(path.read_text(encoding="utf-8"), PAST_THE_SEAM, place)

    def test_wrong_includes_are_found(self):
        self.assertEqual(wrong_includes("engine", '#include "harness/config.h"\n'), ["harness/config.h"])
        self.assertEqual(wrong_includes("engine", "#include <numa.h>\n"), ["numa.h"])
        self.assertEqual(wrong_includes("harness", '#include <hwloc.h>\n#include "engine/types.h"\n'), [])


class Documents(unittest.TestCase):
    def test_every_folder_has_a_readme_of_a_screen_at_most(self):
        folders = {path.parent for path in project.files()}
        for folder in sorted(folders | {f.parent for f in folders if f != ROOT}):
            place = folder.relative_to(ROOT).parts
            if not place or place[0].startswith(".") or (place[0] == "tests" and len(place) > 1):
                continue  # the root's is longer; those of tests/ mirror the tree
            if place[:2] in (("results", "reference"), ("results", "model")) and len(place) > 2:
                continue  # data only; the README above describes them
            with self.subTest(folder="/".join(place)):
                readme = folder / "README.md"
                self.assertTrue(readme.is_file(), "no README.md")
                self.assertLessEqual(len(readme.read_text(encoding="utf-8").splitlines()), 60)

    def test_no_kept_result_names_a_path_of_its_machine(self):
        for path in project.files(".json", ".md", ".svg"):
            if path.relative_to(ROOT).parts[0] in ("results", "plots"):
                text = path.read_text(encoding="utf-8")
                self.assertIsNone(re.search(r"""(?<=[\s"'=`])/(tmp|home|root|work|mnt)/""", text), path)

    def test_every_relative_link_leads_somewhere(self):
        for path in project.files(".md"):
            text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            for link in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
                if not re.match(r"[a-z]+:|#", link):
                    with self.subTest(document=str(path.relative_to(ROOT)), link=link):
                        self.assertTrue((path.parent / link.split("#")[0]).exists())

    def assert_table(self, document, name, *prints):
        text = (ROOT / document).read_text(encoding="utf-8")
        found = re.search(f"<!-- {name} -->\\n(.*?)<!-- /{name} -->", text, re.DOTALL)
        self.assertIsNotNone(found, f"{document}: no table between <!-- {name} --> and <!-- /{name} -->")
        printed = project.run(*prints)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertEqual(found[1].strip(), printed.stdout.strip(), "scripts/readme_table.py writes the table anew")

    def test_table_of_algorithms_is_the_registry(self):
        self.assert_table("README.md", "algorithms", project.MUSTER, "list", "--markdown")

    def test_table_of_isolation_levels_is_what_the_schedules_come_to(self):
        self.assert_table("engine/txn/levels.md", "levels", project.BUILD / "bin/isolation_table")


class Scripts(unittest.TestCase):
    def test_what_starts_with_an_interpreter_is_executable(self):
        seen = 0
        for path in project.files():
            with open(path, "rb") as file:
                if file.read(2) != b"#!":
                    continue
            seen += 1
            self.assertTrue(os.access(path, os.X_OK), path)
        self.assertGreater(seen, 5)

    def test_python_is_the_one_that_has_the_packages(self):
        for path in project.files(".py"):
            first = path.read_text(encoding="utf-8").split("\n", 1)[0]
            if first.startswith("#!"):
                self.assertEqual(first, "#!/usr/bin/python3", path)

    def test_packages_are_those_that_cmake_names(self):
        text = (ROOT / "scripts/packages.txt").read_text(encoding="utf-8")
        packages = [line.split("#")[0].strip() for line in text.splitlines()]
        packages = [package for package in packages if package]
        self.assertEqual(len(packages), len(set(packages)), "one twice")
        cmake = (ROOT / "cmake/dependencies.cmake").read_text(encoding="utf-8")
        named = set(re.findall(r"^[ \t]*muster_(?:find|pkg)\([^)\n]* ([^)\s]+)\)$", cmake, re.MULTILINE))
        named |= set(re.findall(r"^\s*muster_missing\(\S+ ([a-z][^)\s]*)\)", cmake, re.MULTILINE)) - {"package"}
        self.assertGreaterEqual(len(named), 9)
        self.assertLessEqual(named, set(packages))
        libraries = {p for p in packages if p.startswith("lib") or p.endswith("-dev")}
        self.assertLessEqual(libraries, named, "listed, but CMake does not ask for it")

    def test_bad_options_are_refused_in_one_line(self):
        for command in (
            ["scripts/setup", "--preset", "fast"],
            ["scripts/setup", "now"],
            ["scripts/setup", "--target"],
            ["scripts/test", "--sanitize"],
            ["scripts/test", "--sanitize", "memory"],
            ["scripts/quickstart", "--out"],
            ["scripts/quickstart", "--fast"],
            ["scripts/format", "all"],
        ):
            with self.subTest(command=" ".join(command)):
                done = project.run(ROOT / command[0], *command[1:], cwd="/")
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)

    @unittest.skipUnless(os.path.isdir("/dev/shm"), "no file system in memory here")
    def test_quickstart_refuses_memory_as_a_disk(self):
        done = project.run(ROOT / "scripts/quickstart", "--directory", "/dev/shm")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("--allow-tmpfs", done.stderr)


if __name__ == "__main__":
    unittest.main()
