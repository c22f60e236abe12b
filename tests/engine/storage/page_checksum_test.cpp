#include "engine/storage/page_checksum.h"

#include <array>
#include <random>

#include "engine/storage/slotted_page.h"
#include "tests/catch.h"

namespace muster {
namespace {

struct alignas(kWordBytes) PageOfWords {
  std::array<std::byte, kPageBytes> bytes{};
  bool operator==(const PageOfWords&) const = default;
};

PageOfWords random_page(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  PageOfWords page;
  for (std::byte& byte : page.bytes) byte = static_cast<std::byte>(random());
  store_word(page.bytes.data() + 4 * kWordBytes, 0);
  return page;
}

}  // namespace

TEST_CASE("PageChecksum: a page comes back as it was, from its own place only") {
  const PageOfWords original = random_page(1);
  PageOfWords sealed = original;
  seal_page(sealed.bytes, 3, 17);
  CHECK_FALSE(sealed == original);
  PageOfWords page = sealed;
  CHECK(unseal_page(page.bytes, 3, 17));
  CHECK(page == original);
  page = sealed;
  CHECK_FALSE(unseal_page(page.bytes, 3, 18));
  page = sealed;
  CHECK_FALSE(unseal_page(page.bytes, 4, 17));
}

TEST_CASE("PageChecksum: every single flipped bit is found") {
  PageOfWords sealed = random_page(2);
  seal_page(sealed.bytes, 1, 2);
  for (std::size_t bit = 0; bit < 8 * kPageBytes; ++bit) {
    PageOfWords page = sealed;
    page.bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    REQUIRE_FALSE(unseal_page(page.bytes, 1, 2));
  }
}

TEST_CASE("PageChecksum: a page torn at any sector is found, also where the old one was never written") {
  const PageOfWords before = GENERATE(PageOfWords{}, random_page(3));
  PageOfWords old = before;
  if (!(before == PageOfWords{})) seal_page(old.bytes, 1, 2);
  PageOfWords fresh = random_page(4);
  seal_page(fresh.bytes, 1, 2);
  for (std::size_t split = 512; split < kPageBytes; split += 512) {
    PageOfWords torn = fresh;
    std::copy(old.bytes.begin() + static_cast<std::ptrdiff_t>(split), old.bytes.end(),
              torn.bytes.begin() + static_cast<std::ptrdiff_t>(split));
    CHECK_FALSE(unseal_page(torn.bytes, 1, 2));
  }
}

TEST_CASE("PageChecksum: a page that was never written is sound") {
  PageOfWords page;
  CHECK(unseal_page(page.bytes, 1, 2));
  CHECK(page == PageOfWords{});
}

}  // namespace muster
