"""Runs for a span of the past: which moments a schedule has in it, what became of each, and the runs that lack."""
