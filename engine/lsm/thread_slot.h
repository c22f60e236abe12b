#pragma once

#include <cstdint>

namespace muster::lsm {

/// A number for the calling thread that no other living thread has: the smallest that is free when it asks first. Any thread.
std::uint32_t thread_slot();

}  // namespace muster::lsm
