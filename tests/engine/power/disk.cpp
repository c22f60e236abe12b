#include "tests/engine/power/disk.h"

#include <fcntl.h>

#include <algorithm>
#include <random>
#include <string_view>

#include "engine/io/file.h"

namespace muster::power {
namespace {

using Kind = Event::Kind;

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPrefixesMax = 64;

bool is_table(const Event& event) {
  return event.name.ends_with(".table");
}

/// Calls `visit(begin, end)` for what a write puts into each unit of the file.
template <class Visit>
void for_each_unit(const Event& write, std::uint64_t unit, Visit visit) {
  const std::uint64_t end = write.offset + write.bytes.size();
  for (std::uint64_t at = write.offset; at < end;) {
    const std::uint64_t next = std::min(end, (at / unit + 1) * unit);
    visit(at, next);
    at = next;
  }
}

std::uint64_t unit_of(const Event& write, Variant variant) {
  if (is_table(write) && variant.damage != Damage::torn) return kPage;
  return variant.damage == Damage::mixed && variant.choice % 4 == 3 ? kPage : kSector;
}

std::uint64_t subsets(std::size_t changes) {
  return changes <= Disk::kExhaustive ? std::uint64_t{1} << changes : Disk::kSamples;
}

}  // namespace

const char* name_of(Damage damage) {
  switch (damage) {
    case Damage::lost:
      return "lost";
    case Damage::kept:
      return "kept";
    case Damage::files:
      return "files";
    case Damage::calls:
      return "calls";
    case Damage::sectors:
      return "sectors";
    case Damage::sizes:
      return "sizes";
    case Damage::names:
      return "names";
    case Damage::unordered_names:
      return "unordered_names";
    case Damage::mixed:
      return "mixed";
    case Damage::torn:
      return "torn";
  }
  return "";
}

/// Says of each pending change whether the disk has it. Asked in one order for one state, so that a variant
/// always means the same.
class Disk::Chooser {
 public:
  explicit Chooser(Variant variant, std::size_t changes)
      : variant_(variant),
        exhaustive_(changes <= kExhaustive),
        random_(variant.choice * 1'000'003 + changes) {}

  Variant variant() const { return variant_; }

  void begin_file() {
    if (variant_.damage == Damage::files) call_ = next();
  }
  void begin_call() {
    if (variant_.damage == Damage::calls) call_ = next();
  }
  bool has_size() {
    switch (variant_.damage) {
      case Damage::lost:
        return false;
      case Damage::files:
      case Damage::calls:
        return call_;
      case Damage::sizes:
        return variant_.choice == 1;
      case Damage::names:
      case Damage::unordered_names:
        return variant_.choice % 2 == 0;
      case Damage::mixed:
      case Damage::torn:
        return coin();
      default:
        return true;
    }
  }
  bool has_unit() {
    switch (variant_.damage) {
      case Damage::lost:
        return false;
      case Damage::files:
      case Damage::calls:
        return call_;
      case Damage::sectors:
        return next();
      case Damage::sizes:
        return variant_.choice == 0;
      case Damage::names:
      case Damage::unordered_names:
        return variant_.choice % 2 == 0;
      case Damage::mixed:
      case Damage::torn:
        return coin();
      default:
        return true;
    }
  }
  /// A number up to `most`.
  std::uint64_t up_to(std::uint64_t most) { return random_() % (most + 1); }
  /// The next member of a subset: counted through where it is small.
  bool next() {
    if (!exhaustive_) return coin();
    return ((variant_.choice >> bit_++) & 1) != 0;
  }

 private:
  /// Mostly there, mostly not, or even: a few exceptions find other faults than a half.
  bool coin() {
    constexpr std::uint64_t kLikely[] = {4, 7, 1};
    return random_() % 8 < kLikely[variant_.choice % 3];
  }

  const Variant variant_;
  const bool exhaustive_;
  std::mt19937_64 random_;
  unsigned bit_ = 0;
  bool call_ = true;
};

Disk Disk::from(const Image& image) {
  Disk disk;
  for (const std::string& directory : image.directories) disk.names_[directory] = kNoFile;
  for (const auto& [name, content] : image.files) {
    disk.files_[disk.next_].synced = content;
    disk.names_[name] = disk.next_++;
  }
  return disk;
}

void Disk::begin_trace() {
  const auto begin_anew = [](std::vector<Pending>& all) {
    for (Pending& one : all) {
      one.event.done = 0;
      one.event.thread = 0;
      one.place = 0;
    }
  };
  begin_anew(pending_names_);
  for (auto& [id, file] : files_) begin_anew(file.pending);
}

namespace {

void apply_name(Names& names, const Event& event) {
  switch (event.kind) {
    case Kind::create:
      names[event.name] = event.file;
      break;
    case Kind::make_directory:
      names[event.name] = kNoFile;
      break;
    case Kind::remove:
      names.erase(event.name);
      break;
    case Kind::rename:
      names.erase(event.name);
      names[event.target] = event.file;
      break;
    default:
      break;
  }
}

}  // namespace

void Disk::apply(const Event& event, std::size_t place) {
  if (changes_names(event.kind)) {
    if (event.kind == Kind::create) next_ = std::max(next_, event.file + 1);
    if (event.kind == Kind::create) files_[event.file];
    pending_names_.push_back({event, place});
  } else if (changes_a_file(event.kind)) {
    files_[event.file].pending.push_back({event, place});
  } else if (event.kind == Kind::sync) {
    File& file = files_[event.file];
    File settled{std::move(file.synced), {}};
    std::vector<Pending> left;
    for (Pending& one : file.pending)
      (event.covers(one.event, one.place) ? settled.pending : left).push_back(one);
    Chooser everything({Damage::kept, 0}, 0);
    settled.synced = content(settled, everything);
    file = {std::move(settled.synced), std::move(left)};
  } else if (event.kind == Kind::sync_directory) {
    std::erase_if(pending_names_, [&](const Pending& one) {
      if (parent_of(one.event.name) != event.name || !event.covers(one.event, one.place)) return false;
      apply_name(names_, one.event);
      return true;
    });
  }
}

/// How many changes are pending in each directory.
std::vector<std::size_t> Disk::pending_by_directory() const {
  std::map<std::string, std::size_t> counts;
  for (const Pending& one : pending_names_) ++counts[parent_of(one.event.name)];
  std::vector<std::size_t> result;
  for (const auto& [directory, count] : counts) result.push_back(count);
  return result;
}

std::vector<Variant> Disk::variants(bool torn) const {
  std::size_t files = 0, calls = 0, sectors = 0, sizes = 0, table_writes = 0;
  for (const auto& [id, file] : files_) {
    files += !file.pending.empty();
    for (const Pending& one : file.pending) {
      ++calls;
      table_writes += one.event.kind == Kind::write && is_table(one.event);
      sizes += one.event.kind != Kind::write || one.event.offset + one.event.size > file.synced.size();
      if (one.event.kind != Kind::write) continue;
      for_each_unit(one.event, unit_of(one.event, {Damage::sectors, 0}), [&](auto, auto) { ++sectors; });
    }
  }
  std::uint64_t prefixes = 2;  // with the files' bytes, and without
  for (const std::size_t count : pending_by_directory()) prefixes *= count + 1;

  std::vector<Variant> all;
  const auto add = [&](Damage damage, std::uint64_t choices) {
    for (std::uint64_t choice = 0; choice < choices; ++choice) all.push_back({damage, choice});
  };
  add(Damage::lost, 1);
  add(Damage::kept, 1);
  if (files > 1) add(Damage::files, subsets(files));
  if (calls > 0) add(Damage::calls, subsets(calls));
  if (sectors > calls) add(Damage::sectors, subsets(sectors));
  if (sizes > 0) add(Damage::sizes, 2);
  if (!pending_names_.empty()) {
    add(Damage::names, std::min(prefixes, kPrefixesMax));
    add(Damage::unordered_names, 2 * subsets(pending_names_.size()));
  }
  if (calls + pending_names_.size() > 1) add(Damage::mixed, kSamples);
  if (torn && table_writes > 0) add(Damage::torn, kSamples);
  return all;
}

Names Disk::names_after(Variant variant) const {
  Names names = names_;
  Chooser chooser({variant.damage, variant.choice / 2}, pending_names_.size());
  if (variant.damage == Damage::unordered_names) {
    for (const Pending& one : pending_names_) {
      if (chooser.next()) apply_name(names, one.event);
    }
    return names;
  }
  if (variant.damage == Damage::lost) return names;
  const bool ordered =
      variant.damage == Damage::names || variant.damage == Damage::mixed || variant.damage == Damage::torn;
  // How many of its changes each directory has, first all combinations and then, where there are too many, any.
  std::map<std::string, std::uint64_t> counts, left;
  for (const Pending& one : pending_names_) ++counts[parent_of(one.event.name)];
  std::uint64_t combination = variant.choice / 2;
  const bool sampled = variant.damage != Damage::names || variant.choice + 1 >= kPrefixesMax / 2;
  for (const auto& [directory, count] : counts) {
    left[directory] = !ordered ? count : sampled ? chooser.up_to(count) : combination % (count + 1);
    combination /= count + 1;
  }
  for (const Pending& one : pending_names_) {
    std::uint64_t& more = left[parent_of(one.event.name)];
    if (more == 0) continue;
    --more;
    apply_name(names, one.event);
  }
  return names;
}

/// A file's size and bytes are two changes of a call: one may be on the disk without the other.
Disk::Content Disk::content(const File& file, Chooser& chooser) {
  Content bytes = file.synced;
  std::uint64_t size = bytes.size();
  const auto reach = [&](std::uint64_t end) {
    if (bytes.size() < end) bytes.resize(end);
  };
  if (!file.pending.empty()) chooser.begin_file();
  for (const Pending& one : file.pending) {
    const Event& event = one.event;
    chooser.begin_call();
    const bool has_size = chooser.has_size();
    if (event.kind == Kind::write) {
      for_each_unit(event, unit_of(event, chooser.variant()), [&](std::uint64_t begin, std::uint64_t end) {
        if (!chooser.has_unit()) return;
        reach(end);
        std::copy_n(event.bytes.begin() + static_cast<std::ptrdiff_t>(begin - event.offset), end - begin,
                    bytes.begin() + static_cast<std::ptrdiff_t>(begin));
      });
      if (has_size) size = std::max(size, event.offset + event.size);
    } else if (has_size) {
      if (event.kind == Kind::truncate && bytes.size() > event.size) bytes.resize(event.size);
      size = event.kind == Kind::truncate ? event.size : std::max(size, event.size);
    }
  }
  bytes.resize(size);
  return bytes;
}

Disk::Image Disk::image(Variant variant) const {
  std::size_t changes = 0;
  for (const auto& [id, file] : files_) {
    if (variant.damage == Damage::files) {
      changes += !file.pending.empty();
      continue;
    }
    for (const Pending& one : file.pending) {
      if (variant.damage != Damage::sectors) {
        ++changes;
      } else if (one.event.kind == Kind::write) {
        for_each_unit(one.event, unit_of(one.event, {Damage::sectors, 0}), [&](auto, auto) { ++changes; });
      }
    }
  }
  Chooser chooser(variant, changes);
  std::map<FileId, Content> contents;  // of all, named or not: the chooser's order hangs on nothing else
  for (const auto& [id, file] : files_) contents.emplace(id, content(file, chooser));
  Image image;
  const Names names = names_after(variant);
  for (const auto& [name, file] : names) {
    bool reachable = true;
    for (std::string above = parent_of(name); !above.empty(); above = parent_of(above)) {
      const auto found = names.find(above);
      reachable = reachable && found != names.end() && found->second == kNoFile;
    }
    if (!reachable) continue;
    if (file == kNoFile) {
      image.directories.push_back(name);  // in the order of names: behind its parent
    } else {
      image.files.emplace(name, contents[file]);
    }
  }
  return image;
}

Names Disk::names() const {
  Names files = names_after({Damage::kept, 0});
  std::erase_if(files, [](const auto& entry) { return entry.second == kNoFile; });
  return files;
}

void write_image(const Disk::Image& image, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  for (const std::string& name : image.directories) std::filesystem::create_directory(directory / name);
  for (const auto& [name, content] : image.files) {
    File::open(directory / name, O_WRONLY | O_CREAT | O_TRUNC).write_at(0, content);
  }
}

std::uint64_t fingerprint(const Disk::Image& image) {
  std::uint64_t sum = 0;
  const auto add = [&](std::string_view text) {
    sum = sum * 0x9e3779b97f4a7c15 + std::hash<std::string_view>()(text) + (sum >> 29);
  };
  for (const std::string& directory : image.directories) add(directory);
  for (const auto& [name, content] : image.files) {
    add(name);
    add({reinterpret_cast<const char*>(content.data()), content.size()});
  }
  return sum;
}

}  // namespace muster::power
