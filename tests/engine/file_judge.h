#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "engine/io/file_observer.h"

namespace muster {

/// Does as `judge` says with the engine's file operations, and notes what came of them, as long as it lives.
class Judge final : public FileObserver {
 public:
  explicit Judge(std::function<FileVerdict(const FileOperation&)> judge) : judge_(std::move(judge)) {
    observe_files(this);
  }
  ~Judge() override { observe_files(nullptr); }

  FileVerdict before(const FileOperation& operation) override {
    const std::lock_guard guard(mutex_);
    ++count[operation.kind];
    return judge_(operation);
  }
  void after(const FileOperation&, std::int64_t result) override {
    const std::lock_guard guard(mutex_);
    results.push_back(result);
  }

  std::map<FileOperation::Kind, int> count;
  std::vector<std::int64_t> results;

 private:
  const std::function<FileVerdict(const FileOperation&)> judge_;
  std::mutex mutex_;
};

}  // namespace muster
