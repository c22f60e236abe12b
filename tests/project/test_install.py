"""What cmake --install gives another project: find_package(muster), a log buffer that works, and the engine for C."""

import os
import tempfile
import unittest
from pathlib import Path

import project

CMAKE = os.environ.get("MUSTER_CMAKE", "cmake")

LISTS = """
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C CXX)
find_package(muster REQUIRED)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE muster::muster_core)
add_executable(student student.c)
target_link_libraries(student PRIVATE muster::muster_core)
set_target_properties(student PROPERTIES LINKER_LANGUAGE CXX)
"""

MAIN = """
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "algorithms/registry.h"

int main() {
  const std::string_view text = "appended";
  for (const muster::AlgorithmInfo& info : muster::algorithms()) {
    if (info.unsafe) continue;
    muster::LogBufferOptions options;
    options.capacity = 4096;
    options.max_workers = 1;
    const auto log = muster::make_log_buffer(info.name, options);
    const muster::WorkerId worker = log->attach();
    const muster::Reservation record = log->reserve(worker, static_cast<std::uint32_t>(text.size()));
    std::transform(text.begin(), text.end(), record.bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
    log->publish(worker, record);
    const muster::Lsn boundary = log->advance();
    const auto bytes = log->bytes(0, boundary);
    std::printf("%.*s\\n", static_cast<int>(bytes.size()), reinterpret_cast<const char*>(bytes.data()));
    log->recycle(boundary);
    log->detach(worker);
  }
}
"""


STUDENT = """
#include "engine/c_api.h"

int main(void) {
  char value[120] = "kept", found[120];
  if (init_db(100, 0, 0, "logs", "message.txt") != 0) return 1;
  int table = open_table("table");
  if (table <= 0 || db_insert(table, 1, value) != 0) return 2;
  int trx = trx_begin();
  if (db_find(table, 1, found, trx) != 0 || found[0] != 'k' || trx_commit(trx) != trx) return 3;
  return shutdown_db() == 0 ? 0 : 4;
}
"""


class Install(unittest.TestCase):
    def check(self, *command):
        done = project.run(*command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_another_project_finds_links_and_appends(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix, source, build = (Path(folder) / name for name in ("prefix", "source", "build"))
            self.check(CMAKE, "--install", project.BUILD, "--prefix", prefix)
            source.mkdir()
            (source / "CMakeLists.txt").write_text(LISTS, encoding="utf-8")
            (source / "main.cpp").write_text(MAIN, encoding="utf-8")
            (source / "student.c").write_text(STUDENT, encoding="utf-8")
            self.check(CMAKE, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
            self.check(CMAKE, "--build", build)
            lines = self.check(build / "consumer").splitlines()
            self.assertGreaterEqual(len(lines), 4)
            self.assertEqual(set(lines), {"appended"})
            done = project.run(build / "student", cwd=folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
