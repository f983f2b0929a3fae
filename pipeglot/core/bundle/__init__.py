"""The project's code as one archive: the same bytes on every machine, and nothing in it that should not travel."""
