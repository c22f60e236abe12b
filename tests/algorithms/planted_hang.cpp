// Not a test: a program whose log buffer loses a turn, so that the next worker waits for ever. The watchdog must say so.
#include "algorithms/decoupled.h"
#include "tests/algorithms/watched.h"

namespace muster {
namespace {

struct Forgetful : Decoupled<> {
  static constexpr AlgorithmInfo info{.name = "forgetful",
                                      .title = "",
                                      .source = "",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free};
  using Decoupled<>::Decoupled;

  void publish(WorkerId worker, const Reservation& reservation) {
    if (reservation.begin != 100) Decoupled<>::publish(worker, reservation);
  }
};

}  // namespace
}  // namespace muster

int main() {
  using namespace muster;
  test::Watched<Forgetful> log({.capacity = 4096, .max_workers = 2}, std::chrono::milliseconds(400));
  const WorkerId first = log.attach();
  const WorkerId second = log.attach();
  for (const std::uint32_t size : {100u, 50u}) {
    log.publish(first, log.reserve(first, size));
    log.recycle(log.advance());
  }
  const Reservation behind = log.reserve(second, 30);
  std::jthread publisher([&] { log.publish(second, behind); });
  log.reserve(first, 4096);
}
