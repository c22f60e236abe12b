#include "engine/storage/page_checksum.h"

#include <array>
#include <random>

#include "engine/storage/slotted_page.h"
#include "tests/catch.h"

namespace muster {
namespace {

struct alignas(kWordBytes) Page {
  std::array<std::byte, kPageBytes> bytes{};
  bool operator==(const Page&) const = default;
};

Page random_page(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Page page;
  for (std::byte& byte : page.bytes) byte = static_cast<std::byte>(random());
  store_word(page.bytes.data() + 4 * kWordBytes, 0);
  return page;
}

}  // namespace

TEST_CASE("PageChecksum: a page comes back as it was, from its own place only") {
  const Page original = random_page(1);
  Page sealed = original;
  seal_page(sealed.bytes, 3, 17);
  CHECK_FALSE(sealed == original);
  Page page = sealed;
  CHECK(unseal_page(page.bytes, 3, 17));
  CHECK(page == original);
  page = sealed;
  CHECK_FALSE(unseal_page(page.bytes, 3, 18));
  page = sealed;
  CHECK_FALSE(unseal_page(page.bytes, 4, 17));
}

TEST_CASE("PageChecksum: every single flipped bit is found") {
  Page sealed = random_page(2);
  seal_page(sealed.bytes, 1, 2);
  for (std::size_t bit = 0; bit < 8 * kPageBytes; ++bit) {
    Page page = sealed;
    page.bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    REQUIRE_FALSE(unseal_page(page.bytes, 1, 2));
  }
}

TEST_CASE("PageChecksum: a page torn at any sector is found, also where the old one was never written") {
  const Page before = GENERATE(Page{}, random_page(3));
  Page old = before;
  if (!(before == Page{})) seal_page(old.bytes, 1, 2);
  Page fresh = random_page(4);
  seal_page(fresh.bytes, 1, 2);
  for (std::size_t split = 512; split < kPageBytes; split += 512) {
    Page torn = fresh;
    std::copy(old.bytes.begin() + static_cast<std::ptrdiff_t>(split), old.bytes.end(),
              torn.bytes.begin() + static_cast<std::ptrdiff_t>(split));
    CHECK_FALSE(unseal_page(torn.bytes, 1, 2));
  }
}

TEST_CASE("PageChecksum: a page that was never written is sound") {
  Page page;
  CHECK(unseal_page(page.bytes, 1, 2));
  CHECK(page == Page{});
}

}  // namespace muster
