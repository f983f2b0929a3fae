"""One task of an engine: join the run, read what came before from the ledger, run the step, record what came of it."""
