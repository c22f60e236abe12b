#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/storage/free_frames.h"

namespace muster {

/// The resident pages in the order of their last use: a linked list under one latch, which every use of a page takes.
///
/// Thread-safe; takes no other latch or lock while it has its own. A use that meets an eviction of the same page comes
/// before it or is forgotten.
/// Source   the report of Muster's course, its buffer manager: "the page's block moves to the head of the list, and the
///          last one is evicted".
/// Differs  the table that finds a page's block is here, under the same latch.
class LruList {
 public:
  explicit LruList(std::size_t frames) : nodes_(frames) { frame_of_.reserve(frames); }

  /// The page has come into this frame, in which there is none.
  void loaded(FrameIndex frame, std::uint64_t page) {
    const std::lock_guard lock(latch_);
    nodes_[frame].page = page;
    frame_of_.emplace(page, frame);
    put_first(frame);
  }
  void used(std::uint64_t page) {
    const std::lock_guard lock(latch_);
    const auto found = frame_of_.find(page);
    if (found == frame_of_.end() || found->second == newest_) return;
    take_out(found->second);
    put_first(found->second);
  }
  /// The page in this frame is about to leave it.
  void evicted(FrameIndex frame) {
    const std::lock_guard lock(latch_);
    take_out(frame);
    frame_of_.erase(nodes_[frame].page);
  }
  /// Calls visit(frame, page), which must not wait, from the least recently used on, while it returns true.
  template <class Visit>
  void from_oldest(Visit visit) {
    const std::lock_guard lock(latch_);
    for (FrameIndex frame = oldest_; frame != kNone && visit(frame, nodes_[frame].page);)
      frame = nodes_[frame].newer;
  }

 private:
  static constexpr FrameIndex kNone = ~FrameIndex{0};
  struct Node {
    std::uint64_t page = 0;
    FrameIndex newer = kNone;
    FrameIndex older = kNone;
  };

  FrameIndex& newer_of(FrameIndex frame) { return frame == kNone ? oldest_ : nodes_[frame].newer; }
  FrameIndex& older_of(FrameIndex frame) { return frame == kNone ? newest_ : nodes_[frame].older; }
  void take_out(FrameIndex frame) {
    const Node& node = nodes_[frame];
    newer_of(node.older) = node.newer;
    older_of(node.newer) = node.older;
  }
  void put_first(FrameIndex frame) {
    nodes_[frame].newer = kNone;
    nodes_[frame].older = newest_;
    newer_of(newest_) = frame;
    newest_ = frame;
  }

  std::mutex latch_;
  std::vector<Node> nodes_;  // by frame
  std::unordered_map<std::uint64_t, FrameIndex> frame_of_;
  FrameIndex newest_ = kNone;
  FrameIndex oldest_ = kNone;
};

}  // namespace muster
