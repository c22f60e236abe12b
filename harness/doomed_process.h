#pragma once

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <system_error>

namespace muster {

/// Starts a process that does `work` until the caller kills it, and that does not outlive the caller. If the work throws, the
/// process says so in the benchmark's name, and exits with 1. Throws std::system_error.
template <class Work>
pid_t start_doomed(const char* benchmark, Work work) {
  const pid_t process = fork();
  if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process != 0) return process;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    work();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", benchmark, error.what());
  }
  _exit(1);
}

}  // namespace muster
