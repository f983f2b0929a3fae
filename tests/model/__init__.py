"""The protocol's model: many runs on one store, in any interleaving, held against the rules of the ledger.

It plays with the real code: the local runner, `run_step`'s runtime (as the tasks of an engine, some of them twice), the
closing, cancelling and resuming of runs, the derivation of a run's state, the lease, and the index. What is made up is
the store, in memory, and with it who is next, who is killed, who sleeps and comes back, whose answer is lost, what a
listing has seen when another writes, and whose clock is wrong.

The rules (`rules`): a run that has begun is listed; a verdict only where the ledger says that what it needs succeeded,
with the inputs that the run has, over bytes that are there; none after the run's end; the end is what the records say,
once for ever, and all readers and the index agree; a result that is reused is that of its origin; what had finished in
a resumed run is not run again; no run is pruned that is open, and nothing is deleted that a kept run refers to.

In half of the schedules weeks go by: passes of gc meet the runs and each other, and some are killed.

Not played, for the code is not there yet: further slots (clears and reopened cells), packs of finished runs
(compaction), and all_done steps as an engine's word that what is before them is over. Damaged and deleted bytes are
the fault harness's (`tests.faults`).
"""
