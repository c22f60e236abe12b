// Catch2 v2 and v3 differ in their headers' names only, as far as these tests go.
#pragma once
#ifdef MUSTER_CATCH_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
