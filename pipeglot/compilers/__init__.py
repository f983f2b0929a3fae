"""Backends: one folder each, with what compiles a pipeline for it, talks to it, and starts a real one here."""
