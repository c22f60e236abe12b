#pragma once

#include <system_error>

namespace muster {

/// The machine has no room for what is to be written: on the disk, in a quota, or among open files. Nothing is lost, reads go on,
/// and changes do once there is room. Exit code 3, as of all of the machine's refusals.
class NoRoom : public std::system_error {
 public:
  using std::system_error::system_error;
};

}  // namespace muster
