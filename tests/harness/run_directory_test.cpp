#include "harness/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace {

using namespace muster;
namespace fs = std::filesystem;

/// While it lives, this process can open no file: what removes a folder fails, for root as well.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_CASE("run directory: what a run could not remove at its end, the next one removes") {
  const TemporaryDirectory folder;
  {
    std::optional<RunDirectory> run(std::in_place, folder.path(), false);
    fs::create_directories(run->database());
    std::ofstream(run->database() / "table") << "data";
    const NoDescriptors none;
    run.reset();
  }
  REQUIRE(fs::exists(folder / "muster.db" / "table"));
  CHECK_NOTHROW(RunDirectory::check(folder.path()));
  const RunDirectory next(folder.path(), false);
  CHECK_FALSE(fs::exists(folder / "muster.db"));
}

TEST_CASE("run directory: a run waits for another that is about to end") {
  const TemporaryDirectory folder;
  const int other = ::open((folder / "muster.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  REQUIRE(::flock(other, LOCK_EX) == 0);
  std::thread ends([other] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::close(other);
  });
  CHECK_NOTHROW(RunDirectory(folder.path(), false));
  ends.join();
}

TEST_CASE("run directory: what is refused shows beforehand, and nothing is made") {
  const TemporaryDirectory folder;
  CHECK_NOTHROW(RunDirectory::check(folder / "new" / "newer"));
  CHECK_FALSE(fs::exists(folder / "new"));
  std::ofstream(folder / "file") << "no folder";
  CHECK_THROWS_AS(RunDirectory::check(folder / "file"), std::system_error);
  CHECK_THROWS_AS(RunDirectory::check(folder / "file" / "below"), std::system_error);
  fs::create_directories(folder / "muster.db");
  CHECK_THROWS_AS(RunDirectory::check(folder.path()), ConfigError);
}

}  // namespace
