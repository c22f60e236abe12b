#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "engine/io/file.h"
#include "engine/lsm/manifest_state.h"

namespace muster::lsm {

/// What a manifest file says, and where its last whole record ends.
struct ManifestContent {
  ManifestState state;
  std::uint64_t end = 0;  ///< bytes
  std::uint64_t bytes =
      0;  ///< the file's size; beyond `end`: what is left of an append that was never acknowledged
};

/// Reads `directory`/MANIFEST and changes nothing. Throws DamageError where the file is missing, of another version or
/// damaged in front of a sound record, with file and offset. `visit`, if given, gets each edit that fits, with its offset, in order.
ManifestContent read_manifest(
    const std::filesystem::path& directory,
    const std::function<void(std::uint64_t offset, const ManifestEdit& edit)>& visit = {});

/// The file MANIFEST: which table files make up a tree. One thread at a time.
///
/// An edit is one record, appended and synced. A record that is not whole, with no sound one behind it, is the append
/// that a crash cut off. A file that has grown is replaced by a new one whose first record is the whole state.
class Manifest {
 public:
  /// An edit that finds the file this large, and four times as large as the state was, replaces it first.
  static constexpr std::uint64_t kRewriteBytes = 64 << 10;

  /// An empty tree's, durable. The directory is there.
  static Manifest create(const std::filesystem::path& directory, std::uint64_t rewrite_bytes = kRewriteBytes);
  /// Reads the manifest and changes nothing. Throws DamageError as read_manifest() does, and where a table's file is missing or of
  /// another size.
  static Manifest open(const std::filesystem::path& directory, std::uint64_t rewrite_bytes = kRewriteBytes);

  /// Behind open(), before the first edit: sees to it that what the manifest says is durable, and then removes the files of tables
  /// that it does not name. Works on a full disk. Throws std::system_error.
  void make_durable();

  const ManifestState& state() const { return state_; }
  std::uint64_t bytes() const { return end_; }

  /// Durable when it returns. The files of added tables are whole and synced, and so are their names. Throws
  /// std::logic_error where the edit does not fit the state or make_durable() was not called, and std::system_error. In both
  /// cases state() is as it was.
  void apply(const ManifestEdit& edit);
  /// After an error whose outcome only a new opening can tell: the last edit may or may not be on the disk, so that
  /// no file that it names may be removed. From then on apply() throws.
  bool is_in_doubt() const { return in_doubt_; }

 private:
  Manifest(std::filesystem::path directory, std::uint64_t rewrite_bytes)
      : directory_(std::move(directory)), rewrite_bytes_(rewrite_bytes) {}

  void append(const ManifestEdit& edit);
  /// False: the disk has no room for a second file, and the first one is as it was.
  bool rewrite();

  std::filesystem::path directory_;
  std::uint64_t rewrite_bytes_;
  File file_;
  ManifestState state_;
  std::uint64_t end_ = 0;          // of the file's last whole record
  std::uint64_t state_bytes_ = 0;  // the file's size when it was last made anew
  bool in_doubt_ = false;
};

}  // namespace muster::lsm
