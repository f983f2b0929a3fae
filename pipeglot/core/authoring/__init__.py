"""`@step` and `@pipeline`: trace functions into IR."""
