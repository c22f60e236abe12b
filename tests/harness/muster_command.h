#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace muster {

/// How the real executable ended, as a user calls it.
struct CommandOutcome {
  int code = -1;
  std::string out;
  std::string err;
};

/// `arguments` go through a shell; `first` runs in the child before it becomes the executable.
template <class F>
CommandOutcome run_muster(const std::string& arguments, F&& first) {
  const TemporaryDirectory folder;
  const auto content = [&](const char* name) {
    std::ifstream file(folder / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string command = std::string("exec ") + MUSTER_EXECUTABLE + " " + arguments + " >" +
                              (folder / "out").string() + " 2>" + (folder / "err").string();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    first();
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content("out"), content("err")};
}

inline CommandOutcome run_muster(const std::string& arguments) {
  return run_muster(arguments, [] {});
}

/// Exactly one line on stderr that has `part`, nothing on stdout.
inline void refused(const std::string& arguments, int code, const std::string& part) {
  const CommandOutcome outcome = run_muster(arguments);
  INFO(arguments << "\n" << outcome.err);
  CHECK(outcome.code == code);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("muster: "));
  CHECK(outcome.err.find(part) != std::string::npos);
  CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
}

}  // namespace muster
