"""The SQL index of a store's ledger: made from it at any time, never the truth, never used by workers.

`schema` has the tables, `database` says what they may lie in, `sqlite` and `postgres` are that, `rows` turns a run into
rows, `writing` puts them in, `sync` brings the index up to the ledger, `queries` asks it.
"""
