# muster_flags carries the warnings and the chosen sanitizer to every target.
# muster_allocator is jemalloc, or nothing where a sanitizer brings its own allocator.
add_library(muster_flags INTERFACE)
target_compile_features(muster_flags INTERFACE cxx_std_20)
target_compile_options(muster_flags INTERFACE
  $<BUILD_INTERFACE:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-interference-size>)
add_library(muster_allocator INTERFACE)

if(MUSTER_SANITIZE STREQUAL "")
  target_link_libraries(muster_allocator INTERFACE PkgConfig::jemalloc)
  target_compile_definitions(muster_allocator INTERFACE MUSTER_JEMALLOC)
elseif(MUSTER_SANITIZE STREQUAL "address")
  # A null pointer and a wrong object end in AddressSanitizer's report as well; their checks double a compilation's time.
  set(muster_sanitizer -fsanitize=address,undefined -fno-sanitize=null,object-size,vptr -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
elseif(MUSTER_SANITIZE STREQUAL "thread")
  # -fno-builtin: a record's copy that is inlined as plain moves may be merged out of the detector's sight.
  set(muster_sanitizer -fsanitize=thread -fno-builtin -fno-omit-frame-pointer)
else()
  message(FATAL_ERROR "MUSTER_SANITIZE = ${MUSTER_SANITIZE}: want an empty string, address or thread")
endif()
if(muster_sanitizer)
  # Six sources at a time: most of a compilation is headers. Under preset tsan one such batch, btree.cpp with five of
  # engine/storage and engine/index, takes 4.4 s of a processor, alone they take 12.4 (`time` of `ninja -t commands`'s,
  # 2026-11-30). The release build compiles each source alone, and so finds an include that is missing.
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 6)
  # Line tables are all that a report needs; variables' locations cost minutes in instrumented templates.
  # -O1 compiles a test in two thirds of -O2's time: 11.7 against 17.5 s for versions_test (2026-11-30).
  list(APPEND muster_sanitizer -g1 -O1)
  # The builds that look for mistakes keep the asserts, which the build type would drop.
  list(APPEND muster_sanitizer -UNDEBUG)
  # GCC 12 takes what it instruments in std::function for uninitialized. The other two warnings take the sources that are
  # compiled together for one.
  target_compile_options(muster_flags INTERFACE $<BUILD_INTERFACE:-Wno-maybe-uninitialized -Wno-subobject-linkage -Wno-shadow>)
  target_compile_options(muster_flags INTERFACE $<BUILD_INTERFACE:${muster_sanitizer}>)
  target_link_options(muster_flags INTERFACE $<BUILD_INTERFACE:${muster_sanitizer}>)
endif()
