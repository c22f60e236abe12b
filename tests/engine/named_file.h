#pragma once

#include <fcntl.h>

#include "engine/io/file.h"
#include "tests/temporary_directory.h"

namespace muster::test {

/// A file with a name, for tests that open it again, or in another way, or look at it from outside.
class NamedFile {
 public:
  NamedFile() { open(O_RDWR | O_CREAT); }
  File open(int flags = O_RDWR) const { return File::open(directory_ / "file", flags); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace muster::test
