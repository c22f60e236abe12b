#pragma once

#include "tests/algorithms/drive.h"
#include "tests/algorithms/instrumented_platform.h"

namespace muster::test {

// The scenes that every algorithm must stand whose drainer scans words of its workers: what others do between two
// looks of one advance. `Log` is the algorithm on the InstrumentedPlatform.

/// What an advance returned, and the reservation that was open meanwhile.
struct Overtaken {
  Lsn boundary = 0;
  Reservation open;
};

/// While the scan stands between worker 0's `word` and worker 1's, worker 0 reserves and worker 1 appends behind it. An
/// end of the log that is read after the scan lies above worker 0's hole.
template <class Log>
Overtaken overtake_the_scan(std::string_view word) {
  Log log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 10);
  Overtaken scene;
  const Hooked hook([&](std::string_view name, std::uint32_t index) {
    if (name != word || index != a || !scene.open.bytes.empty()) return;
    scene.open = log.reserve(a, 5);
    append(log, b, 5);
  });
  scene.boundary = log.advance();
  return scene;
}

/// What an advance returned, and how often it has looked at one word.
struct Lingered {
  Lsn boundary = 0;
  int looks = 0;
};

/// The one reservation, of 10 bytes, is published right after the drainer's `at`-th look at the first `word`.
template <class Log>
Lingered publish_at_a_look(std::string_view word, int at) {
  Log log({.capacity = 4096, .max_workers = 1});
  const WorkerId worker = log.attach();
  const Reservation open = log.reserve(worker, 10);
  Lingered scene;
  const Hooked hook([&](std::string_view name, std::uint32_t index) {
    if (name == word && index == 0 && ++scene.looks == at) log.publish(worker, open);
  });
  scene.boundary = log.advance();
  return scene;
}

/// The drainer looks right after a range has been handed out.
template <class Log>
Overtaken advance_behind_the_fetch_add() {
  Log log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Overtaken scene;
  const Hooked hook([&](std::string_view name, std::uint32_t) {
    if (name == "tail" && scene.boundary == 0) scene.boundary = log.advance();
  });
  scene.open = log.reserve(a, 5);
  return scene;
}

/// Once the scan knows how many slots there are, a newcomer attaches and reserves, and another publishes behind it.
template <class Log>
Overtaken attach_behind_the_count() {
  Log log({.capacity = 4096, .max_workers = 3});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Overtaken scene;
  const Hooked hook([&](std::string_view name, std::uint32_t) {
    if (name != "ever_used" || !scene.open.bytes.empty()) return;
    scene.open = log.reserve(log.attach(), 5);
    append(log, a, 5);
  });
  scene.boundary = log.advance();
  return scene;
}

}  // namespace muster::test
