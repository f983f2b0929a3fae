"""The applicants: what a table of them must look like before anything is learned from it, and how it is split."""

import pandas as pd

NUMBERS = {"months": (1, 120), "amount": (100, 100_000), "age": (18, 100), "rate": (1, 4), "credits": (1, 10)}
"""The columns of numbers, and what is plausible in each."""

WORDS = [
    "checking",
    "history",
    "purpose",
    "savings",
    "employed",
    "debtors",
    "property",
    "other_plans",
    "housing",
    "job",
]
"""The columns of categories. Sex, marital status and origin are in the table, and no business of a score."""


def problems(table: pd.DataFrame) -> list[str]:
    """What makes a table unfit to learn from."""
    missing = [name for name in [*NUMBERS, *WORDS, "outcome"] if name not in table]
    if missing:
        return [f"columns are missing: {', '.join(missing)}"]
    found = []
    if len(table) < 500:
        found.append(f"it has {len(table)} rows, and 500 are the least")
    for name, (low, high) in NUMBERS.items():
        wrong = int((~pd.to_numeric(table[name], errors="coerce").between(low, high)).sum())
        if wrong:
            found.append(f"`{name}` is not between {low} and {high} in {wrong} rows")
    empty = [name for name in WORDS if table[name].isna().any()]
    if empty:
        found.append(f"values are missing in: {', '.join(empty)}")
    others = sorted(set(table["outcome"].astype(str)) - {"good", "bad"})
    if others:
        found.append(f"`outcome` is neither good nor bad, but {', '.join(others)}")
    twice = int(table.duplicated().sum())
    if twice:
        found.append(f"{twice} applicants stand there twice")
    return found


def features(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as they are, a column of 0 and 1 for each category, and whether the credit went bad."""
    words = pd.get_dummies(table[WORDS], dtype=float)
    found = pd.concat([table[list(NUMBERS)].astype(float), words], axis=1)
    return found.assign(bad=(table["outcome"] == "bad").astype(int))


def split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every fourth applicant is held out."""
    held_out = table.index % 4 == 0
    return table[~held_out], table[held_out]
