# Engines that tests and benchmarks compare Muster with: packages of scripts/packages-all.txt, never needed by the build.
# Where one is installed, its target exists: muster_rocksdb, muster_leveldb. Ask with if(TARGET muster_rocksdb).

# muster_rival(<name> <header>): headers count as the system's, so that our warnings stay out of them.
function(muster_rival name header)
  find_path(MUSTER_${name}_INCLUDE ${header})
  find_library(MUSTER_${name}_LIBRARY ${name})
  mark_as_advanced(MUSTER_${name}_INCLUDE MUSTER_${name}_LIBRARY)
  if(NOT MUSTER_${name}_INCLUDE OR NOT MUSTER_${name}_LIBRARY)
    return()
  endif()
  add_library(muster_${name} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(muster_${name} PROPERTIES
    IMPORTED_LOCATION ${MUSTER_${name}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${MUSTER_${name}_INCLUDE})
endfunction()

option(MUSTER_RIVALS "Build what compares with RocksDB and LevelDB, where they are installed" ON)
if(MUSTER_RIVALS)
  muster_rival(rocksdb rocksdb/db.h)
  muster_rival(leveldb leveldb/db.h)
endif()
