"""What one pipeline hands to the next: assets, artifacts, and secrets that the engine holds."""

from datetime import date

from pipeglot import Artifact, Assets, LogicalDate, artifact, pipeline, secret, step


@step(secrets=["TOKEN", "PASSWORD"], asset="s3://pipeglot-tests/made", cache=False)
def make(count: int) -> int:
    print(f"the token is {secret('TOKEN')}")
    return count + len(secret("TOKEN")) + len(secret("PASSWORD"))


@pipeline
def maker(count: int = 3) -> None:
    make(count)


@step(secrets=["LACKS"])
def lacks() -> None: ...


@pipeline
def lacking() -> None:
    lacks()


@step
def take(made: int, day: date) -> str:
    return f"{made} on {day:%Y}"


@pipeline(schedule=Assets("s3://pipeglot-tests/made"))
def taker(made: Artifact[int] = artifact("maker/make@latest"), day: date = LogicalDate()) -> None:
    take(made, day)


@pipeline
def picker(made: Artifact[int] = artifact("maker/make@latest"), day: date = LogicalDate()) -> None:
    take(made, day)
