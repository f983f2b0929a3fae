"""Stacks: where a pipeline runs and where it keeps what it made; the project's `pipeglot.yaml`, and which TARGET is meant."""
