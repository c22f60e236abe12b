#include <algorithm>
#include <set>

#include "engine/error.h"
#include "engine/lsm/manifest.h"
#include "tests/catch.h"
#include "tests/engine/lsm/manifest_testing.h"
#include "tests/engine/power/disk.h"
#include "tests/temporary_directory.h"

namespace muster::lsm {
namespace {

namespace fs = std::filesystem;
using power::Disk;
using power::Event;

/// Applies the edits with their files, and notes each that is durable: 0 is the creation.
void live(const fs::path& root, const std::vector<ManifestEdit>& edits, power::Recorder& recorder) {
  Manifest manifest = Manifest::create(root, 300);  // made anew on the way
  recorder.note(Event::Kind::promised, 0);
  for (std::size_t n = 0; n < edits.size(); ++n) {
    for (const PlacedTable& added : edits[n].added) test::write_table_file(root, added.table);
    manifest.apply(edits[n]);
    recorder.note(Event::Kind::promised, n + 1);
    for (const std::uint64_t number : edits[n].removed) {
      if (!manifest.state().tables().contains(number)) remove_file(table_path(root, number));
    }
  }
}

/// Which states an opening may find.
struct Bounds {
  bool may_be_missing = true;
  std::size_t first = 0;
  std::size_t last = 0;
};

std::string opens_wrong(const Disk::Image& image, const std::vector<ManifestState>& states,
                        const Bounds& bounds) {
  const TemporaryDirectory directory;
  const fs::path root = directory / "tree";
  power::write_image(image, root);
  try {
    const Manifest manifest = test::open_manifest(root);
    for (std::size_t n = bounds.first; n <= std::min(bounds.last, states.size() - 1); ++n) {
      if (manifest.state() == states[n]) return "";
    }
    return "another state";
  } catch (const DamageError& error) {
    return bounds.may_be_missing && !image.files.contains("MANIFEST") ? "" : error.what();
  }
}

}  // namespace

TEST_CASE("Manifest: after a power loss at any operation, each promised edit is there, and none by half") {
  const std::vector<ManifestEdit> edits = test::life_of_a_tree();
  const std::vector<ManifestState> states = test::states_of(edits);
  const TemporaryDirectory directory;
  power::Recorder recorder(directory.path(), {}, 0);
  live(directory.path(), edits, recorder);
  const power::Trace trace = recorder.stop();
  REQUIRE(std::ranges::count(trace, Event::Kind::rename, &Event::kind) >= 2);

  Disk disk;
  Bounds bounds;
  std::set<std::uint64_t> seen;
  for (std::size_t place = 0; place < trace.size(); ++place) {
    if (trace[place].kind == Event::Kind::promised) {
      bounds = {.may_be_missing = false, .first = trace[place].number, .last = trace[place].number + 1};
      seen.clear();  // what is right has changed
    }
    disk.apply(trace[place], place);
    for (const power::Variant variant : disk.variants(false)) {
      const Disk::Image image = disk.image(variant);
      if (!seen.insert(power::fingerprint(image)).second) continue;
      INFO("place " << place << ", " << power::name_of(variant.damage) << " " << variant.choice);
      CHECK(opens_wrong(image, states, bounds) == "");
    }
  }
}

}  // namespace muster::lsm
