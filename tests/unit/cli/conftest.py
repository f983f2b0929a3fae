"""The command line in this process (see `tests.unit.stacks.conftest`), and a terminal for displays."""

from tests.unit.cli.displaying import terminal as terminal
from tests.unit.stacks.conftest import flow as flow
from tests.unit.stacks.conftest import here as here
