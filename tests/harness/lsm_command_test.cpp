#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "engine/database.h"
#include "tests/damage.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/harness/muster_command.h"

// `muster lsm` as a user calls it, on the files of real databases.

namespace {

using namespace muster;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// Two LSM trees and a B+ tree, closed. Table 1, which is called first, has several files.
class Trees {
 public:
  Trees() {
    const auto database = Database::open(small_database(path()));
    for (const char* name : {"first", "second"}) database->create_table(name, TableKind::lsm);
    database->create_table("third");
    const auto session = database->attach(CommitPolicy::async);
    for (int i = 0; i < 3000; ++i) {
      session->begin();
      put(*session, 1, key_of(static_cast<std::uint64_t>(i) * 7919 % 3000));
      if (i % 100 == 0) put(*session, 2, std::string("\x01\xff", 2) + key_of(static_cast<std::uint64_t>(i)));
      session->commit();
    }
    session->begin();
    REQUIRE(session->remove(1, as_bytes(key_of(5))) == Status::ok);
    session->commit();
  }
  fs::path path() const { return folder_ / "muster.db"; }
  fs::path run() const { return folder_.path(); }
  fs::path tree(int id) const { return path() / fmt::format("{}.lsm", id); }
  /// Of the tree's files, in the order of their numbers.
  std::vector<fs::path> files(int id) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(tree(id))) {
      if (entry.path().extension() == ".sst") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
  }

 private:
  static void put(Session& session, TableId table, const std::string& key) {
    const std::string value(100, 'v');
    REQUIRE(session.insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
  }

  TemporaryDirectory folder_;
};

std::map<fs::path, std::string> contents(const fs::path& directory) {
  std::map<fs::path, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    std::ifstream file(entry.path());
    if (entry.is_regular_file()) files[entry.path()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

CommandOutcome muster_lsm(const std::string& what, const fs::path& where, const std::string& more = "") {
  return run_muster("lsm " + what + " " + where.string() + more);
}

std::ptrdiff_t lines_with(const std::string& text, const std::string& part) {
  std::ptrdiff_t lines = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++lines;
  return lines;
}

}  // namespace

TEST_CASE("muster lsm: a database's trees are verified and dumped, by every path that means them") {
  const Trees trees;
  const auto before = contents(trees.path());
  for (const fs::path& path : {trees.path(), trees.run(), trees.path() / ""}) {
    const CommandOutcome verified = muster_lsm("verify", path);
    INFO(verified.out << verified.err);
    CHECK(verified.code == 0);
    CHECK(verified.err.empty());
    CHECK_THAT(verified.out, Contains("(table first)") && Contains("(table second)"));
    CHECK(lines_with(verified.out, "files are sound") == 2);
    CHECK_THAT(verified.out, Contains("\"key00000000\" to ") && Contains("0x01ff6b6579"));
  }
  const CommandOutcome one = muster_lsm("verify", trees.tree(1));
  CHECK(one.code == 0);
  CHECK(lines_with(one.out, "files are sound") == 1);

  const CommandOutcome dumped = muster_lsm("dump", trees.path());
  CHECK(dumped.code == 0);
  CHECK_THAT(dumped.out, Contains("edit at byte 16:") && Contains("adds table ") &&
                             Contains(" entries, 1 of them tombstones, "));
  CHECK(lines_with(dumped.out, "format version 1") ==
        static_cast<std::ptrdiff_t>(trees.files(1).size() + trees.files(2).size()));
  const CommandOutcome entries = muster_lsm("dump", trees.tree(1), " --entries");
  CHECK(entries.code == 0);
  CHECK(lines_with(entries.out, " 100 bytes\n") >= 2999);
  CHECK(lines_with(entries.out, "\"key00000006\" LSN ") >= 1);
  const CommandOutcome file = muster_lsm("dump", trees.files(1)[0], " --entries");
  CHECK(file.code == 0);
  CHECK_THAT(file.out, Contains(trees.files(1)[0].string()) && Contains("compression lz4"));
  CHECK(contents(trees.path()) == before);
}

TEST_CASE("muster lsm: what is neither a tree nor a database that has one is refused in one line") {
  const TemporaryDirectory folder;
  const std::string where = "want the directory of an LSM tree (ID.lsm) or of a database";
  refused("lsm verify /no/such/directory", 2, where);
  refused("lsm dump /no/such/directory", 2, where);
  refused("lsm verify " + folder.path().string(), 2, where);
  { std::ofstream(folder / "file") << "no table"; }
  refused("lsm verify " + (folder / "file").string(), 2, where);
  refused("lsm dump " + (folder / "file").string(), 2, "want a table file that is called by its number");
  Database::open(small_database(folder / "db"))->create_table("t");
  refused("lsm verify " + (folder / "db").string(), 2, "want a database that has an LSM tree");
  refused("lsm verify", 2, "DIR is required");
  refused("lsm", 2, "subcommand");
}

TEST_CASE("muster lsm verify: damage is named by file and offset, the rest is checked, and the code is 1") {
  const Trees trees;
  REQUIRE(trees.files(1).size() > 1);
  flip(trees.files(1)[0], 10);
  const std::string manifest = (trees.tree(2) / "MANIFEST").string();
  flip(manifest, 30);
  const auto before = contents(trees.path());
  const CommandOutcome verified = muster_lsm("verify", trees.path());
  INFO(verified.out << verified.err);
  CHECK(verified.code == 1);
  CHECK_THAT(verified.out, Contains("damaged: " + trees.files(1)[0].string() + ": the block at offset 0: "));
  CHECK_THAT(verified.out, Contains(fmt::format("{} of {} files are sound\n", trees.files(1).size() - 1,
                                                trees.files(1).size())));
  CHECK_THAT(verified.out, Contains("damaged: " + manifest + " at byte 16: "));
  CHECK_THAT(verified.out,
             Contains(fmt::format("{0} of {0} files are sound by themselves", trees.files(2).size())));
  CHECK_THAT(verified.err, Contains("2 parts found damaged, 0 of 2 trees are sound"));
  CHECK(lines_with(verified.err, "\n") == 1);

  const CommandOutcome dumped = muster_lsm("dump", trees.path(), " --entries");
  CHECK(dumped.code == 3);
  CHECK_THAT(dumped.out,
             Contains("damaged: " + manifest) && Contains(trees.files(2)[0].string() + ": table"));
  CHECK(contents(trees.path()) == before);
}

TEST_CASE(
    "muster lsm verify: a tree's directory or file that is missing, and a damaged catalogue, are damage") {
  const Trees trees;
  SECTION("a file") {
    const fs::path file = trees.files(1)[0];
    fs::remove(file);
    const CommandOutcome verified = muster_lsm("verify", trees.path());
    CHECK(verified.code == 1);
    CHECK_THAT(verified.out, Contains("damaged: " + file.string() + ": missing: the manifest names it"));
    CHECK_THAT(verified.err, Contains("1 part found damaged, 1 of 2 trees are sound"));
    CHECK(muster_lsm("dump", trees.path()).code == 3);
  }
  SECTION("a directory") {
    fs::remove_all(trees.tree(2));
    const CommandOutcome verified = muster_lsm("verify", trees.path());
    CHECK(verified.code == 1);
    CHECK_THAT(verified.out, Contains(trees.tree(2).string() + ": the directory of a table is missing"));
    CHECK(muster_lsm("dump", trees.path()).code == 3);
  }
  SECTION("the catalogue") {
    std::ofstream(trees.path() / "catalogue") << "}";
    const CommandOutcome verified = muster_lsm("verify", trees.path());
    CHECK(verified.code == 1);
    CHECK_THAT(verified.out, Contains("damaged: " + (trees.path() / "catalogue").string()));
    CHECK(lines_with(verified.out, "files are sound") == 2);
  }
}
