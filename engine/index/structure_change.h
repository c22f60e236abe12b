#pragma once

#include <array>
#include <memory>
#include <vector>

#include "engine/index/change_log.h"
#include "engine/storage/guards.h"
#include "engine/storage/slotted_page.h"

namespace muster {

/// One structure modification: the new states of some latched pages, built in private memory, logged as one
/// record and only then installed. Until commit() has logged, the pages are as they were; if the log throws,
/// they stay so. A crash leaves the whole of it or nothing, so it needs no undo (ARIES' nested top action).
class StructureChange {
 public:
  explicit StructureChange(TableId table) : table_(table) {}

  /// The new state of the guarded page, to be formatted by the caller. Stays valid.
  PageEditor replace(ExclusiveGuard& guard) {
    Entry& entry = entries_.emplace_back(Entry{&guard, std::make_unique<PrivatePage>()});
    return PageEditor(entry.after->bytes.data());
  }
  /// As replace, beginning with what the page holds.
  PageEditor modify(ExclusiveGuard& guard) {
    PageEditor editor = replace(guard);
    std::copy_n(guard.bytes(), kPageBytes, entries_.back().after->bytes.data());
    return editor;
  }

  void commit(ChangeLog& log) {
    std::vector<std::vector<std::byte>> contents;
    std::vector<PageImage> images;
    for (const Entry& entry : entries_) contents.push_back(PageView(entry.after->bytes.data()).image());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      images.push_back({table_, entries_[i].guard->page(), contents[i]});
    }
    const Lsn lsn = log.restructure(images);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      PageEditor page(entries_[i].guard->bytes());
      page.install(contents[i]);
      page.set_lsn(lsn);
      entries_[i].guard->mark_changed();
    }
  }

 private:
  struct PrivatePage {
    alignas(kWordBytes) std::array<std::byte, kPageBytes> bytes{};
  };
  struct Entry {
    ExclusiveGuard* guard;
    std::unique_ptr<PrivatePage> after;
  };

  TableId table_;
  std::vector<Entry> entries_;
};

}  // namespace muster
