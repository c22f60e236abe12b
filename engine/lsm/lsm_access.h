#pragma once

#include "engine/lsm/lsm_table.h"

namespace muster::lsm {

template <class Use>
auto LsmTable::with_slot(Use use) const {
  const std::uint32_t slot = thread_slot();
  if (slot < kSlots) return use(slot);
  const std::lock_guard turn(overflow_);
  return use(kSlots);
}

template <class Look>
auto LsmTable::read(Look look) const {
  return with_slot([&](std::uint32_t slot) { return tree_.read(slot, look); });
}

}  // namespace muster::lsm
