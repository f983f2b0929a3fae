"""How do words spread over a text? Count them, find the longest ones, and say whether they are long.

Run it twice: the second time every step comes from the cache. Change a function, and what depends on it runs again.
"""

from collections import Counter

from pipeglot import each, one_of, otherwise, pipeline, step, when

TEXT = """
A step is a plain function. What it returns is kept, and given to the steps that ask for it. A pipeline is a function
that calls steps: it says what runs, on what, and after what. Independent steps run in parallel processes, and whatever
was computed before from the same code and the same inputs is not computed again.
"""


@step
def words() -> list[str]:
    return [word.strip(".,:").lower() for word in TEXT.split()]


@step
def most_common(found: list[str], count: int) -> list[str]:
    return [word for word, _ in Counter(found).most_common(count)]


@step
def describe(word: str) -> str:
    print(f"looking at {word}")  # `pipeglot runs logs latest describe` shows it
    return f"{word}: {len(word)} letters"


@step
def mean_length(found: list[str]) -> float:
    return sum(len(word) for word in found) / len(found)


@step
def praise(length: float) -> str:
    return f"short words, {length:.1f} letters on average"


@step
def complain(length: float) -> str:
    return f"long words, {length:.1f} letters on average"


@step
def report(verdict: str, lines: list[str]) -> str:
    return "\n".join([verdict, *lines])


@pipeline
def wordcount(count: int = 5, limit: float = 6.0) -> None:
    found = words()
    lines = describe.map(each(most_common(found, count)))  # one `describe` for each item
    length = mean_length(found)
    with when(length <= limit):  # an `if` on a result: only one arm runs
        good = praise(length)
    with otherwise():
        bad = complain(length)
    report(one_of(good, bad), lines)
