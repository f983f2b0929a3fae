"""The store of a stack, opened to read: find a run by what a person types, and its artifacts."""

from __future__ import annotations

from pipeglot.client.text import listed
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import NotFound, Pruned
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.runs import LATEST as LATEST
from pipeglot.core.lineage.runs import Found as Found
from pipeglot.core.lineage.runs import Runs
from pipeglot.core.lineage.runs import found_in as found_in
from pipeglot.core.stack import Stack
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from pipeglot.stacks.workspace import Workspace


def open_stack_store(workspace: Workspace, stack: Stack) -> Store:
    """The store of a stack. Of one in a bucket, local copies lie with the project's other state."""
    uri = workspace.store_uri(stack)
    copies = workspace.state("copies") if "://" in uri and not uri.startswith("file:") else None
    return open_store(uri, trusted=stack.trusted, durable=stack.durable, copies=copies)


def open_records(workspace: Workspace, stack: str | None = None) -> Records:
    """What the store of a stack holds: of the active one if none is named. Raises `NotFound`, `ConfigError`."""
    chosen = workspace.stack(stack)
    return Records(workspace, open_stack_store(workspace, chosen), chosen)


class Records(Runs):
    """What the store of a workspace's stack holds. Without a stack, the index is that of this checkout."""

    def __init__(self, workspace: Workspace, store: Store, stack: Stack | None = None) -> None:
        super().__init__(Ledger(store), Artifacts(store))
        self.workspace = workspace
        self.stack = stack

    def run_id(self, text: str) -> str:
        """As of any store; whoever looks into the wrong one is told of the others."""
        try:
            return super().run_id(text)
        except Pruned:
            raise
        except NotFound as error:
            stacks = self.workspace.config.stacks.items()
            others = [name for name, one in stacks if self.stack is not None and one.store != self.stack.store]
            more = f"\nother stores are those of {listed(others)}: `--stack NAME` looks there" if others else ""
            raise NotFound(error.message, hint=f"{error.hint}{more}") from None
