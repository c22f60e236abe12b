#pragma once

namespace muster {

/// From now on SIGINT, SIGTERM and (unless it is ignored, as under nohup) SIGHUP are noticed instead of ending the process; a second one ends it at once.
void catch_interrupts();
bool interrupted();

/// After catch_interrupts(): the end of the process `parent`, which has to be the one that started this one, is
/// noticed like a SIGTERM, also where it has come already. Linux counts the end of the parent's thread that started this
/// process.
void end_with_parent(int parent);

}  // namespace muster
