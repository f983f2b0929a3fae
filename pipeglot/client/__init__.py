"""What people do with pipelines and runs, from Python as from the command line: launch, find, explain, compare."""
