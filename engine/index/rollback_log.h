#pragma once

#include "engine/index/change_log.h"

namespace muster {

/// Of changes that take back others. A table that refuses changes for want of room takes these all the same: a transaction that
/// cannot be rolled back ends the engine.
class RollbackLog : public ChangeLog {};

}  // namespace muster
