#pragma once

namespace muster {

/// Whether a sanitizer has instrumented the build. That makes everything ten times as slow, and its findings show in fewer rounds.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

}  // namespace muster
