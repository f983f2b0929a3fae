"""The sandbox's server: KFP's API v2beta1, as far as a deployer needs it, over runs by `kfp.local`.

`server.py` answers; `runs.py` starts and ends a process for each run; `child.py` is that process, and it alone imports
kfp.
"""
