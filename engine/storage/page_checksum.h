#pragma once

#include <cstddef>
#include <span>

#include "engine/types.h"

namespace muster {

/// Word 4 of a page, where it lies in a file: CRC-32C over the table's id, the page's number and the page with
/// zeros in this word, and above it a bit that says so. In memory the word is zero. A page that was never
/// written is zeros in the file as well.

/// Makes the page as memory holds it the page as the file holds it.
void seal_page(std::span<std::byte, kPageBytes> page, TableId table, PageNumber number);

/// The other way; true for zeros. False if this is no such page: of another place, torn or damaged.
bool unseal_page(std::span<std::byte, kPageBytes> page, TableId table, PageNumber number);

}  // namespace muster
