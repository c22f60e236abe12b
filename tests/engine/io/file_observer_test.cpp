#include "engine/io/file_observer.h"

#include <fcntl.h>

#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/io/direct_log_device.h"
#include "engine/io/file.h"
#include "engine/io/file_log_device.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/temporary_directory.h"

namespace muster {
namespace {

using Kind = FileOperation::Kind;

FileVerdict let_pass(const FileOperation&) {
  return {};
}

Bytes bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string content(const File& file) {
  std::string text(file.size(), '?');
  text.resize(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace

TEST_CASE("FileObserver: it sees each operation with its result") {
  TemporaryDirectory directory;
  Judge judge(let_pass);
  make_directories(directory / "a" / "b");
  replace_file(directory / "a" / "file", bytes_of("content"));
  remove_file(directory / "a" / "file");
  CHECK(judge.count ==
        std::map<Kind, int>{{Kind::make_directory, 2},
                            {Kind::open, 1 + 3},  // the file, and each directory that is synced
                            {Kind::write, 1},
                            {Kind::sync, 1},
                            {Kind::rename, 1},
                            {Kind::sync_directory, 3},  // the new names' and the file's
                            {Kind::remove, 1}});
  CHECK(judge.results.size() == 13);
  CHECK(judge.results.at(7) == 7);  // the write's
}

TEST_CASE("FileObserver: EINTR and short transfers are overcome, any other error is reported with the path") {
  TemporaryDirectory directory;
  File file = File::open(directory / "file", O_RDWR | O_CREAT);
  int interruptions = 0;
  {
    Judge judge([&](const FileOperation& operation) -> FileVerdict {
      if (++interruptions % 3 != 0) return {.error = EINTR};
      return {.bytes_max = operation.kind == Kind::write ? 2u : 3u};
    });
    file.write_at(0, bytes_of("content"));
    CHECK(content(file) == "content");
    CHECK(judge.count[Kind::write] == 4 * 3);
  }
  for (const int error : {EIO, ENOSPC}) {
    Judge judge([&](const FileOperation&) -> FileVerdict { return {.error = error}; });
    try {
      file.write_at(0, bytes_of("lost"));
      FAIL("no error");
    } catch (const std::system_error& thrown) {
      CHECK(thrown.code().value() == error);
      CHECK(std::string(thrown.what()).find((directory / "file").string()) != std::string::npos);
    }
    CHECK_THROWS_AS(file.sync_data(), std::system_error);
    CHECK_THROWS_AS(file.preallocate(4096), std::system_error);
    CHECK_THROWS_AS(file.truncate(0), std::system_error);
    CHECK_THROWS_AS(File::open(directory / "file", O_RDONLY), std::system_error);
    CHECK_THROWS_AS(rename_file(directory / "file", directory / "other"), std::system_error);
    CHECK_THROWS_AS(remove_file(directory / "file"), std::system_error);
    CHECK_THROWS_AS(make_directories(directory / "new"), std::system_error);
    CHECK_THROWS_AS(sync_directory(directory.path()), std::system_error);
  }
  CHECK(content(file) == "content");
}

TEST_CASE("FileObserver: what it skips is not done and succeeds") {
  TemporaryDirectory directory;
  File file = File::open(directory / "file", O_RDWR | O_CREAT);
  file.write_at(0, bytes_of("content"));
  Judge judge(
      [](const FileOperation& operation) -> FileVerdict { return {.skip = operation.kind == Kind::write}; });
  file.write_at(0, bytes_of("skipped"));
  CHECK(content(file) == "content");
}

TEST_CASE("FileObserver: a log device's writes and syncs pass it, through the page cache and past it") {
  for (const bool direct : {false, true}) {
    CAPTURE(direct);
    TemporaryDirectory directory;
    const auto open = [&]() -> std::unique_ptr<LogDevice> {
      File lock = lock_log(directory.path());
      if (direct) return std::make_unique<DirectLogDevice>(std::move(lock), kFirstLsn, 1 << 16);
      return std::make_unique<FileLogDevice>(std::move(lock), kFirstLsn, 1 << 16);
    };
    auto device = open();
    const std::string text(5000, 't');
    {
      Judge judge(let_pass);
      device->write(kFirstLsn, bytes_of(text));
      device->sync();
      CHECK(judge.count[Kind::write] == 1);
      CHECK(judge.count[Kind::sync] == 1);
    }
    for (const Kind failing : {Kind::write, Kind::sync}) {
      device.reset();
      device = open();
      Judge judge([&](const FileOperation& operation) -> FileVerdict {
        return {.error = operation.kind == failing ? EIO : 0};
      });
      CHECK_THROWS_AS((device->write(kFirstLsn, bytes_of(text)), device->sync()), std::system_error);
    }
  }
}

}  // namespace muster
