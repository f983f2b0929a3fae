"""Tests of the benchmarks: of what would make their numbers wrong."""
