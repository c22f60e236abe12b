#pragma once

namespace muster {

/// From now on SIGINT and SIGTERM are noticed instead of ending the process; a second one ends it at once.
void catch_interrupts();
bool interrupted();

}  // namespace muster
