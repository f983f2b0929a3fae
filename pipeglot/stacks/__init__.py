"""Stacks: where pipelines run and where results are kept; the project's `pipeglot.yaml`, and what TARGET means."""
