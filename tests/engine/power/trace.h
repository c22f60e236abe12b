#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/file_observer.h"

namespace muster::power {

/// A file, whatever it is called; numbered by a trace.
using FileId = std::uint32_t;
inline constexpr FileId kNoFile = std::numeric_limits<FileId>::max();

inline constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

/// One thing that a run did to its files, or that it promised.
struct Event {
  enum class Kind : std::uint8_t {
    nothing,  ///< it failed, or a planted fault has dropped it
    create,
    write,
    truncate,
    allocate,
    sync,
    rename,
    remove,
    make_directory,
    sync_directory,
    begun,     ///< transaction `number` asks to be committed
    promised,  ///< what `number` stands for is said to be durable
  };
  Kind kind = Kind::nothing;
  FileId file = kNoFile;
  std::string name;    ///< relative to the root
  std::string target;  ///< rename
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::vector<std::byte> bytes;
  std::uint64_t number = 0;
  std::size_t began = 0;      ///< a sync: its place had it been noted when it began and not when it was done
  std::size_t done = kNever;  ///< the others: the place of the first event behind their completion
  std::uint64_t thread = 0;   ///< who did it; 0: somebody before this trace

  /// Of a sync: whether it makes `other` durable. What was complete, and what the same thread began before:
  /// io_uring is handed a write and its sync at once, linked.
  bool covers(const Event& other, std::size_t place) const {
    return other.done <= began || (place < began && other.thread == thread);
  }
};

bool is_note(Event::Kind kind);
bool changes_names(Event::Kind kind);
bool changes_a_file(Event::Kind kind);
/// The directory that a name lies in; "" for the root's own.
std::string parent_of(const std::string& name);

/// What a run did, in an order that its threads agree with: an event behind another's completion comes later.
using Trace = std::vector<Event>;

/// The files under a root by name. A directory has no FileId.
using Names = std::map<std::string, FileId>;

/// Records what the engine does under a root directory, from install to removal. Thread-safe.
class Recorder final : public FileObserver {
 public:
  /// `names`: what is there already; new files are numbered from `next` on. Syncs are recorded but not done:
  /// nobody is going to cut the power, and they take most of the time.
  Recorder(std::filesystem::path root, Names names, FileId next);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void note(Event::Kind begun_or_promised, std::uint64_t number);
  /// What happens from now on is not recorded.
  Trace stop();

  FileVerdict before(const FileOperation& operation) override;
  void after(const FileOperation& operation, std::int64_t result) override;

 private:
  /// Its place in the trace; none for what is not under the root.
  std::size_t begin(const FileOperation& operation);
  void opened(const FileOperation& operation, std::int64_t descriptor);
  std::string name_of(const std::filesystem::path& path) const;
  void finish(Event& event, std::int64_t result);
  std::size_t add(Event event);

  const std::filesystem::path root_;
  std::mutex mutex_;  // guards all that follows
  bool recording_ = true;
  Trace trace_;
  Names names_;
  FileId next_;
  std::map<int, FileId> descriptors_;
  // Each thread's operations and their places in the trace: io_uring has a write and its sync at once.
  std::map<std::uint64_t, std::vector<std::pair<Event::Kind, std::size_t>>> under_way_;
};

}  // namespace muster::power
