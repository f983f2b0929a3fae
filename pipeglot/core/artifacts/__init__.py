"""Artifacts: the values that steps pass on, stored once under their hash, each by the codec of its type."""

from __future__ import annotations

from pipeglot.core.artifacts.artifacts import Artifacts

__all__ = ["Artifacts"]
