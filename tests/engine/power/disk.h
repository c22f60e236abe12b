#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/engine/power/trace.h"

namespace muster::power {

/// What a power loss does to what was not synced.
enum class Damage : std::uint8_t {
  lost,             ///< nothing of it is there
  kept,             ///< all of it is there
  files,            ///< of each file all of it or nothing is there
  calls,            ///< some calls' effects are there, each as a whole
  sectors,          ///< some sectors of 512 bytes (of tables: pages of 4 KiB) are there
  sizes,            ///< the bytes without the files' sizes, or the sizes without the bytes
  names,            ///< each directory has its first changes, in order
  unordered_names,  ///< each directory has some of its changes
  mixed,            ///< some sectors, some sizes, the first changes of each directory
  torn,             ///< as mixed, and pages of tables are torn at sectors
};
inline constexpr Damage kDamages[] = {Damage::lost,    Damage::files, Damage::kept,  Damage::calls,
                                      Damage::sectors, Damage::sizes, Damage::names, Damage::unordered_names,
                                      Damage::mixed,   Damage::torn};
const char* name_of(Damage damage);

/// One of a damage's outcomes; which one `choice` is, follows from what is pending alone.
struct Variant {
  Damage damage = Damage::lost;
  std::uint64_t choice = 0;
};

/// What is on a disk and in the page cache above it.
///
/// A file is what was synced of it and, in order, the calls since. So is a directory: its names. A file's sync
/// says nothing of its name, a directory's nothing of its files.
class Disk {
 public:
  using Content = std::vector<std::byte>;

  /// Files and directories by name ("" is the root's own, left out). What a directory's name holds is nothing.
  struct Image {
    std::map<std::string, Content> files;
    std::vector<std::string> directories;  ///< each behind its parent
  };

  /// All of `image` is durable.
  static Disk from(const Image& image);

  void apply(const Event& event, std::size_t place);
  /// Another process opens the files: the next trace's places begin anew.
  void begin_trace();

  /// The outcomes of a power loss now: of each damage all where kExhaustive changes or fewer are pending, else
  /// kSamples. `torn`: pages of tables may be torn, too.
  std::vector<Variant> variants(bool torn) const;
  Image image(Variant variant) const;
  /// What processes see.
  Image visible() const { return image({Damage::kept, 0}); }
  /// Numbers of the files that have a name for a process, and the first number that no file has.
  Names names() const;
  FileId next_file() const { return next_; }
  static constexpr std::size_t kExhaustive = 8;
  static constexpr std::uint64_t kSamples = 6;

 private:
  struct Pending {
    Event event;
    std::size_t place;
  };
  struct File {
    Content synced;
    std::vector<Pending> pending;
  };
  class Chooser;

  static Content content(const File& file, Chooser& chooser);
  Names names_after(Variant variant) const;
  std::vector<std::size_t> pending_by_directory() const;

  std::map<FileId, File> files_;
  Names names_;                         // synced; a directory's is kNoFile
  std::vector<Pending> pending_names_;  // of all directories
  FileId next_ = 0;
};

/// Writes an image to a directory, which is made.
void write_image(const Disk::Image& image, const std::filesystem::path& directory);
std::uint64_t fingerprint(const Disk::Image& image);

}  // namespace muster::power
