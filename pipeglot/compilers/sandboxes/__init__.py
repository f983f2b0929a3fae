"""Sandboxes: a real engine on this machine, for a first try and for our tests. Here is what those of all engines share.

`engine.py` has what an engine must say; `running.py` brings one up, ends it and tells how it is.
"""
