#include "tests/engine/power/disk.h"

#include <fcntl.h>

#include <functional>
#include <set>

#include "engine/io/file.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace muster::power {
namespace {

Disk::Content content(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// What `work` does in an empty directory, as a disk, and what power losses at its end may leave.
class Recorded {
 public:
  explicit Recorded(const std::function<void(const std::filesystem::path&)>& work) {
    Recorder recorder(directory_.path(), {}, 0);
    work(directory_.path());
    const Trace trace = recorder.stop();
    for (std::size_t place = 0; place < trace.size(); ++place) disk.apply(trace[place], place);
  }
  /// What a file may hold; "-": it may be missing.
  std::set<std::string> outcomes(const std::string& name, std::set<Damage> damages = {}) const {
    std::set<std::string> all;
    for (const Variant variant : disk.variants(true)) {
      if (!damages.empty() && !damages.contains(variant.damage)) continue;
      const Disk::Image image = disk.image(variant);
      const auto found = image.files.find(name);
      if (found == image.files.end()) {
        all.insert("-");
      } else {
        all.emplace(reinterpret_cast<const char*>(found->second.data()), found->second.size());
      }
    }
    return all;
  }
  Disk disk;

 private:
  TemporaryDirectory directory_;
};

void write(File& file, std::uint64_t offset, const std::string& text) {
  file.write_at(offset, std::as_bytes(std::span(text)));
}

using Outcomes = std::set<std::string>;

}  // namespace

TEST_CASE("Disk: what was synced with its name stays, what was not may go") {
  const Recorded kept([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    write(file, 0, "synced");
    file.sync_data();
    sync_directory(root);
  });
  CHECK(kept.outcomes("file") == Outcomes{"synced"});
  const Recorded without_name([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    write(file, 0, "synced");
    file.sync_data();
  });
  CHECK(without_name.outcomes("file") == Outcomes{"-", "synced"});
  const Recorded without_sync([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    sync_directory(root);
    write(file, 0, "kept");
  });
  // The size without the bytes, too.
  CHECK(without_sync.outcomes("file") == Outcomes{"", "kept", std::string(4, '\0')});
}

TEST_CASE("Disk: a relative path and an absolute one are the same directory") {
  const Recorded kept([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    write(file, 0, "synced");
    file.sync_data();
    sync_directory(std::filesystem::relative(root));
  });
  CHECK(kept.outcomes("file") == Outcomes{"synced"});
}

TEST_CASE("Disk: each subset of a few writes, in their order where they overlap") {
  const Recorded recorded([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    write(file, 0, "......");
    file.sync_data();
    sync_directory(root);
    write(file, 0, "aa");
    write(file, 1, "bb");
    write(file, 4, "cc");
  });
  CHECK(recorded.outcomes("file", {Damage::lost, Damage::kept, Damage::calls}) ==
        Outcomes{"......", "aa....", ".bb...", "....cc", "abb...", "aa..cc", ".bb.cc", "abb.cc"});
}

TEST_CASE("Disk: one file's changes may be there without another's") {
  const Recorded recorded([](const auto& root) {
    File a = File::open(root / "a", O_RDWR | O_CREAT);
    File b = File::open(root / "b", O_RDWR | O_CREAT);
    sync_directory(root);
    write(a, 0, "1");
    write(b, 0, "2");
    write(a, 1, "3");
  });
  Outcomes pairs;
  for (const Variant variant : recorded.disk.variants(false)) {
    if (variant.damage != Damage::files) continue;
    std::string both;
    for (const auto& [name, bytes] : recorded.disk.image(variant).files)
      both += name + std::to_string(bytes.size());
    pairs.insert(both);
  }
  CHECK(pairs == Outcomes{"a0b0", "a2b0", "a0b1", "a2b1"});
}

TEST_CASE("Disk: a write is torn at sectors of 512 bytes, a table's at none but if asked for") {
  for (const char* const name : {"1.log", "1.table"}) {
    const Recorded recorded([&](const auto& root) {
      File file = File::open(root / name, O_RDWR | O_CREAT);
      write(file, 0, std::string(4096, 'o'));
      file.sync_data();
      sync_directory(root);
      write(file, 0, std::string(4096, 'n'));
    });
    const auto is_torn = [](const Outcomes& outcomes) {
      return std::any_of(outcomes.begin(), outcomes.end(), [](const std::string& one) {
        return one.find('n') != std::string::npos && one.find('o') != std::string::npos;
      });
    };
    const bool table = std::string(name) == "1.table";
    CHECK(is_torn(recorded.outcomes(name, {Damage::sectors, Damage::mixed})) == !table);
    CHECK(is_torn(recorded.outcomes(name, {Damage::torn})) == table);
    for (const std::string& one : recorded.outcomes(name)) {
      for (std::size_t at = 0; at < 4096; ++at) CHECK(one[at] == one[at / 512 * 512]);
    }
  }
}

TEST_CASE("Disk: a directory's changes come in order, and in any") {
  const Recorded recorded([](const auto& root) {
    File file = File::open(root / "a", O_RDWR | O_CREAT);
    write(file, 0, "x");
    file.sync_data();
    rename_file(root / "a", root / "b");
    remove_file(root / "b");
  });
  const auto states = [&](Damage damage) {
    std::set<std::string> all;
    for (const Variant variant : recorded.disk.variants(false)) {
      if (variant.damage != damage) continue;
      std::string names;
      for (const auto& [name, bytes] : recorded.disk.image(variant).files) names += name;
      all.insert(names);
    }
    return all;
  };
  CHECK(states(Damage::names) == Outcomes{"", "a", "b"});
  CHECK(states(Damage::unordered_names) == Outcomes{"", "a", "b"});
  CHECK(recorded.disk.visible().files.empty());
}

TEST_CASE("Disk: nothing outlives its directory's name") {
  const Recorded recorded([](const auto& root) {
    std::filesystem::create_directory(root / "unseen");
    const FileOperation made{.kind = FileOperation::Kind::make_directory, .path = root / "inner"};
    observed(made, [](std::size_t) { return 0; });
    std::filesystem::create_directory(root / "inner");
    File file = File::open(root / "inner" / "file", O_RDWR | O_CREAT);
    write(file, 0, "x");
    file.sync_data();
    sync_directory(root / "inner");
  });
  CHECK(recorded.outcomes("inner/file") == Outcomes{"-", "x"});
}

TEST_CASE("Disk: a sync does not cover what another thread has under way") {
  Event write_event, sync;
  write_event.kind = Event::Kind::write;
  write_event.file = 0;
  write_event.bytes = content("x");
  write_event.size = 1;
  write_event.thread = 1;
  sync.kind = Event::Kind::sync;
  sync.file = 0;
  sync.thread = 2;
  sync.began = 1;
  for (const bool complete : {true, false}) {
    write_event.done = complete ? 1 : 2;
    Disk disk = Disk::from({{{"file", {}}}, {}});
    disk.apply(write_event, 0);
    disk.apply(sync, 1);
    CHECK(disk.image({Damage::lost, 0}).files.at("file") == content(complete ? "x" : ""));
  }
}

TEST_CASE("Disk: what a killed process left unsynced is pending until somebody syncs it") {
  Recorded recorded([](const auto& root) {
    File file = File::open(root / "file", O_RDWR | O_CREAT);
    sync_directory(root);
    write(file, 0, "x");
  });
  recorded.disk.begin_trace();
  CHECK(recorded.disk.names() == Names{{"file", 0}});
  CHECK(recorded.disk.image({Damage::lost, 0}).files.at("file").empty());
  Event sync;
  sync.kind = Event::Kind::sync;
  sync.file = 0;
  sync.thread = 1;
  recorded.disk.apply(sync, 0);
  CHECK(recorded.disk.image({Damage::lost, 0}).files.at("file") == content("x"));
}

}  // namespace muster::power
