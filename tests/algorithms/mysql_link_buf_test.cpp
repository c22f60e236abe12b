// What makes the link buffer itself: links that are not cleared in passing, and the window that bounds them.
#include <algorithm>
#include <vector>

#include "algorithms/mysql_link_buf.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/impatient_platform.h"
#include "tests/catch.h"

namespace muster {

using test::append;
using test::ImpatientPlatform;
using test::waits_for;

TEST_CASE("MysqlLinkBuf: an old link leads nowhere, whatever the laps, the sizes and the window") {
  const std::uint32_t window = GENERATE(2u, 8u, 64u, 4096u, 1u << 20);
  const std::uint32_t size = GENERATE(1u, 2u, 3u, 64u, 100u, 1000u);
  INFO("window " << window << ", size " << size);
  MysqlLinkBuf<> log({.capacity = 4096, .max_workers = 2, .link_window = window});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  for (int i = 0; i < 20'000; ++i) {
    const Reservation hole = log.reserve(b, std::min(size, window - 1));
    append(log, a, size);  // before its turn: by a link
    const Lsn boundary = log.advance();
    log.publish(b, hole);
    log.recycle(log.advance());
    if (boundary != hole.begin || log.boundary() != log.reserved())
      FAIL("at " << hole.begin << ": " << boundary);
  }
}

TEST_CASE("MysqlLinkBuf: workers move the window themselves") {
  MysqlLinkBuf<ImpatientPlatform> log({.capacity = 4096, .max_workers = 3, .link_window = 16});
  const WorkerId slow = log.attach();
  const WorkerId fast = log.attach();
  const Reservation open = log.reserve(slow, 1);
  append(log, fast, 99);                           // [1, 100) begins within the window
  const Reservation ahead = log.reserve(fast, 6);  // [100, 106) does not
  CHECK(waits_for(WaitFor::predecessor, [&] { log.publish(fast, ahead); }));
  CHECK(log.advance() == 0);
  log.publish(slow, open);   // in its turn: the link [1, 100) is left to others
  log.publish(fast, ahead);  // which is a window ahead still, and follows it
  for (int lap = 0; lap < 100; ++lap) append(log, slow, 16);  // each a window farther, and nobody drains
  CHECK(log.advance() == 106 + 100 * 16);
}

TEST_CASE("MysqlLinkBuf: nobody waits to publish, where the window is as large as the ring") {
  const std::uint32_t window = GENERATE(4096u, 1u << 20);
  MysqlLinkBuf<ImpatientPlatform> log({.capacity = 4096, .max_workers = 64, .link_window = window});
  for (int lap = 0; lap < 3; ++lap) {
    std::vector<std::pair<WorkerId, Reservation>> open;
    for (int i = 0; i < 64; ++i) {
      const WorkerId worker = log.attach();
      open.emplace_back(worker, log.reserve(worker, 64));
    }
    std::reverse(open.begin(), open.end());  // the farthest first
    for (const auto& [worker, reservation] : open) {
      log.publish(worker, reservation);
      log.detach(worker);
    }
    log.recycle(log.advance());
    CHECK(log.boundary() == log.reserved());
  }
}

TEST_CASE("MysqlLinkBuf: the contract holds, for windows from one link to more than the ring") {
  for (const std::uint32_t window : {1u, 16u, 1024u, 1u << 20}) {
    const LogBufferOptions options{
        .capacity = 4096, .max_workers = 3, .start = 12'345, .link_window = window};
    MysqlLinkBuf<> log(options);
    INFO("window " << window);
    CHECK(test::drive(log, options, {.workers = 3, .records = 2000, .large_size = 4096}).total() == 0);
  }
}

}  // namespace muster
