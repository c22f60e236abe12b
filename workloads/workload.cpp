#include "workloads/workload.h"

namespace muster {
namespace {

using WaitCounter = WaitCounters::Counter;

WaitCounter difference(const WaitCounter& after, const WaitCounter& before) {
  return {after.count - before.count, after.ns - before.ns};
}

void add(WaitCounter& total, const WaitCounter& more) {
  total.count += more.count;
  total.ns += more.ns;
}

}  // namespace

WaitCounters MeasuredWaits::end() const {
  const WaitCounters& after = this_thread_waits();
  return {difference(after.room, before_.room), difference(after.predecessor, before_.predecessor),
          difference(after.lock, before_.lock)};
}

void add(WaitCounters& total, const WaitCounters& more) {
  add(total.room, more.room);
  add(total.predecessor, more.predecessor);
  add(total.lock, more.lock);
}

}  // namespace muster
