#define CATCH_CONFIG_MAIN  // Catch2 v2 only: v3 brings a library with main
#include <catch2/catch.hpp>
