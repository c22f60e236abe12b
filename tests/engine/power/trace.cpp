#include "tests/engine/power/trace.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace muster::power {
namespace {

using Kind = Event::Kind;

constexpr std::size_t kOutside = kNever;  // in place of a place in the trace

Kind kind_of(FileOperation::Kind kind) {
  switch (kind) {
    case FileOperation::Kind::write:
      return Kind::write;
    case FileOperation::Kind::truncate:
      return Kind::truncate;
    case FileOperation::Kind::allocate:
      return Kind::allocate;
    case FileOperation::Kind::sync:
      return Kind::sync;
    case FileOperation::Kind::rename:
      return Kind::rename;
    case FileOperation::Kind::remove:
      return Kind::remove;
    case FileOperation::Kind::make_directory:
      return Kind::make_directory;
    case FileOperation::Kind::sync_directory:
      return Kind::sync_directory;
    case FileOperation::Kind::open:
    case FileOperation::Kind::read:
    case FileOperation::Kind::forget_cached:
      break;
  }
  return Kind::nothing;
}

std::uint64_t this_thread() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local const std::uint64_t number =
      threads.fetch_add(1, std::memory_order_relaxed) + 1;  // only unique
  return number;
}

/// The engine may call one directory by a relative path and by an absolute one.
std::filesystem::path whole(const std::filesystem::path& path) {
  const std::filesystem::path normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();  // without a slash at its end
}

bool is_sync(Kind kind) {
  return kind == Kind::sync || kind == Kind::sync_directory;
}

}  // namespace

bool is_note(Kind kind) {
  return kind == Kind::begun || kind == Kind::promised;
}

bool changes_names(Kind kind) {
  return kind == Kind::create || kind == Kind::rename || kind == Kind::remove || kind == Kind::make_directory;
}

bool changes_a_file(Kind kind) {
  return kind == Kind::write || kind == Kind::truncate || kind == Kind::allocate;
}

std::string parent_of(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

Recorder::Recorder(std::filesystem::path root, Names names, FileId next)
    : root_(whole(root)), names_(std::move(names)), next_(next) {
  observe_files(this);
}

Recorder::~Recorder() {
  observe_files(nullptr);
}

void Recorder::note(Kind kind, std::uint64_t number) {
  const std::lock_guard guard(mutex_);
  if (!recording_) return;
  Event event;
  event.kind = kind;
  event.number = number;
  add(std::move(event));
}

Trace Recorder::stop() {
  const std::lock_guard guard(mutex_);
  recording_ = false;
  return std::exchange(trace_, {});
}

std::string Recorder::name_of(const std::filesystem::path& path) const {
  const std::string all = whole(path).native();
  const std::string& root = root_.native();
  if (!all.starts_with(root) || (all.size() > root.size() && all[root.size()] != '/')) return {};
  return all.size() > root.size() ? all.substr(root.size() + 1) : ".";
}

std::size_t Recorder::add(Event event) {
  trace_.push_back(std::move(event));
  return trace_.size() - 1;
}

FileVerdict Recorder::before(const FileOperation& operation) {
  const std::lock_guard guard(mutex_);
  const Kind kind = kind_of(operation.kind);
  if (kind != Kind::nothing) under_way_[this_thread()].emplace_back(kind, begin(operation));
  return {.skip = is_sync(kind)};
}

std::size_t Recorder::begin(const FileOperation& operation) {
  if (!recording_) return kOutside;
  Event event;
  event.kind = kind_of(operation.kind);
  event.thread = this_thread();
  event.offset = operation.offset;
  event.size = operation.size;
  event.began = trace_.size();
  if (changes_a_file(event.kind) || event.kind == Kind::sync) {
    const auto found = descriptors_.find(operation.descriptor);
    if (found == descriptors_.end()) return kOutside;
    event.file = found->second;
    event.name = name_of(operation.path);
    if (operation.bytes != nullptr) event.bytes.assign(operation.bytes, operation.bytes + operation.size);
  } else {
    event.name = name_of(operation.path);
    if (event.name.empty()) return kOutside;
    if (event.name == ".") event.name.clear();
    if (operation.target != nullptr) event.target = name_of(*operation.target);
  }
  return add(std::move(event));
}

void Recorder::after(const FileOperation& operation, std::int64_t result) {
  const std::lock_guard guard(mutex_);
  if (operation.kind == FileOperation::Kind::open) {
    if (result >= 0) opened(operation, result);
    return;
  }
  if (kind_of(operation.kind) == Kind::nothing) return;
  auto& mine = under_way_[this_thread()];
  const auto found = std::find_if(mine.begin(), mine.end(),
                                  [&](const auto& one) { return one.first == kind_of(operation.kind); });
  const std::size_t place = found->second;
  mine.erase(found);
  if (recording_ && place != kOutside) finish(trace_[place], result);
}

void Recorder::finish(Event& event, std::int64_t result) {
  if (is_sync(event.kind)) {  // it counts from here on
    Event sync = std::exchange(event, {});
    if (result >= 0) add(std::move(sync));
    return;
  }
  if (result < 0) {
    event.kind = Kind::nothing;
  } else if (event.kind == Kind::write) {
    event.bytes.resize(static_cast<std::size_t>(result));
    event.size = event.bytes.size();
  } else if (event.kind == Kind::rename) {
    const auto found = names_.find(event.name);
    if (found != names_.end()) {
      event.file = found->second;
      names_[event.target] = found->second;
      names_.erase(found);
    }
  } else if (event.kind == Kind::remove) {
    names_.erase(event.name);
  }
  event.done = trace_.size();
}

void Recorder::opened(const FileOperation& operation, std::int64_t descriptor) {
  const int handle = static_cast<int>(descriptor);
  descriptors_.erase(handle);  // of a file that has been closed
  const std::string name = name_of(operation.path);
  if (!recording_ || name.empty() || (operation.flags & O_DIRECTORY) != 0) return;
  auto found = names_.find(name);
  const bool created = found == names_.end();
  if (created) {
    found = names_.emplace(name, next_++).first;
    Event event;
    event.kind = Kind::create;
    event.file = found->second;
    event.name = name;
    event.thread = this_thread();
    event.done = trace_.size() + 1;
    add(std::move(event));
  }
  descriptors_[handle] = found->second;
  if (!created && (operation.flags & O_TRUNC) != 0) {
    Event event;
    event.kind = Kind::truncate;
    event.file = found->second;
    event.name = name;
    event.thread = this_thread();
    event.done = trace_.size() + 1;
    add(std::move(event));
  }
}

}  // namespace muster::power
