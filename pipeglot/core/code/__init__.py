"""The digest of a step's code: the function and all project code that it reaches, equal on every Python version.

Static, from the files alone: nothing of the user's is imported. What cannot be seen so is what `Cache(version=…)` is
for: a module by a name made at run time (`importlib.import_module(name)`) and what a module reads from outside when it
is imported (both are told, see `outside`), the class of an argument that no annotation names, what a module of which
nothing is reached registers or patches when it is imported, docstrings that are read as data, data files, compiled
extensions, and what is installed.
"""

from pipeglot.core.code.project import Closure, Project

__all__ = ["Closure", "Project"]
