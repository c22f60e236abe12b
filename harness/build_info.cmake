# Writes build_info.h when what it says has changed: run at every build, so that a result names the commit that it
# was built from and not the one that was configured.
#   cmake -DSOURCE=... -DOUTPUT=... -DVERSION=... -DCOMPILER=... -DFLAGS=... -DBUILD_TYPE=... -DSANITIZER=... -P
execute_process(COMMAND git rev-parse HEAD WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
if(failed)
  set(commit unknown)
else()
  # What was measured is no change of what measures: a command that writes there may go on after it.
  execute_process(COMMAND git status --porcelain -- . :!results/model :!results/reference :!plots/reference
    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE changes ERROR_QUIET)
  if(changes)
    string(APPEND commit -dirty)
  endif()
endif()
string(REGEX REPLACE " +" " " FLAGS "${FLAGS}")
string(STRIP "${FLAGS}" FLAGS)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#pragma once
namespace muster {
inline constexpr const char* kVersion = "@VERSION@";
inline constexpr const char* kGitCommit = "@commit@";
inline constexpr const char* kCompiler = "@COMPILER@";
inline constexpr const char* kFlags = R"(@FLAGS@)";
inline constexpr const char* kBuildType = "@BUILD_TYPE@";
inline constexpr const char* kSanitizer = "@SANITIZER@";
}  // namespace muster
]])
