"""The command line in this process (see `tests.unit.stacks.conftest`)."""

from tests.unit.stacks.conftest import flow as flow
from tests.unit.stacks.conftest import here as here
