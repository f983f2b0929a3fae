"""Real servers for tests, started on free ports of this machine and ended by their process ids."""
