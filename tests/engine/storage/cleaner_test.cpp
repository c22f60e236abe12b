#include "engine/storage/cleaner.h"

#include <semaphore>

#include "tests/catch.h"

namespace muster {

TEST_CASE("Cleaner: what is asked for while it works is done afterwards, once") {
  std::counting_semaphore<> begun(0);
  std::counting_semaphore<> go_on(0);
  std::atomic<int> rounds{0};
  {
    Cleaner cleaner([&] {
      ++rounds;
      begun.release();
      go_on.acquire();
    });
    CHECK(rounds.load() == 0);
    cleaner.ask();
    begun.acquire();
    for (int i = 0; i < 5; ++i) cleaner.ask();
    go_on.release();
    begun.acquire();
    CHECK(rounds.load() == 2);
    go_on.release();
  }
  CHECK(rounds.load() == 2);
}

}  // namespace muster
