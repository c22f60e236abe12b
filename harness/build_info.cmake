# Writes build_info.h when what it says has changed: run at every build, so that a result names the commit that it
# was built from and not the one that was configured.
#   cmake -DSOURCE=... -DOUTPUT=... -DVERSION=... -DCOMPILER=... -DFLAGS=... -DBUILD_TYPE=... -DSANITIZER=... -P

# Only a repository whose top is the source folder: the sources may lie in another project's, and variables that a
# hook or a user has set may name one.
set(git ${CMAKE_COMMAND} -E env)
foreach(variable DIR WORK_TREE INDEX_FILE COMMON_DIR OBJECT_DIRECTORY ALTERNATE_OBJECT_DIRECTORIES NAMESPACE PREFIX)
  list(APPEND git --unset=GIT_${variable})
endforeach()
list(APPEND git git --no-optional-locks)
execute_process(COMMAND ${git} rev-parse --show-toplevel HEAD WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
set(commit unknown)
if(NOT failed AND found MATCHES "^(.+)\n([0-9a-f]+)$")
  set(top "${CMAKE_MATCH_1}")
  set(head "${CMAKE_MATCH_2}")
  file(REAL_PATH "${top}" top)
  file(REAL_PATH "${SOURCE}" source)
  if(top STREQUAL source)
    set(commit ${head})
    # What was measured is no change of what measures: a command that writes there may go on after it.
    execute_process(
      COMMAND ${git} status --porcelain --untracked-files=normal -- . :!results/model :!results/reference :!plots/reference
      WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE changes RESULT_VARIABLE failed ERROR_QUIET)
    if(changes OR failed)  # what cannot be looked at may have been changed
      string(APPEND commit -dirty)
    endif()
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
