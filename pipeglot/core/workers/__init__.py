"""Worker processes: made by a small process that has nothing of the user's in it, spoken to over sockets, and ended for
sure. The local runner drives many of them, an engine's task one."""
