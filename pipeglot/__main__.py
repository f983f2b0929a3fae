"""`python -m pipeglot`: the command line, without the current folder among the places that modules come from."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():  # as `-m` itself wrote it
    del sys.path[0]

from pipeglot.cli.main import main

sys.exit(main())
