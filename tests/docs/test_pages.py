"""Everything that a page shows is so: its commands are run, and what they print is what the page says.

`PIPEGLOT_UPDATE_GOLDEN=1` writes into the pages what is printed in fact; read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.doing import Different, Reader
from tests.docs.pages import DOCS, PROMPTS, blocks, same
from tests.servers.seaweed import Seaweed

UPDATE = os.environ.get("PIPEGLOT_UPDATE_GOLDEN") == "1"
PAGES = ["../README.md", *sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))]


IN_BUCKETS = {"concepts/buckets.md", "errors/store.md"}
"""Pages whose reader has a bucket `ml-store`, and the credentials for it in the environment."""


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / name
    if not _has_something_to_do(name):
        return
    if name in IN_BUCKETS:
        server: Seaweed = request.getfixturevalue("seaweed")
        server.make_bucket("ml-store")
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
    reader = Reader(page, tmp_path)
    reader.do(update=UPDATE)
    if UPDATE:
        page.write_text("\n".join(reader.updated), encoding="utf-8")


def _has_something_to_do(name: str) -> bool:
    return any(block.language in PROMPTS for block in blocks((DOCS / name).read_text(encoding="utf-8")))


def test_most_pages_have_something_to_do() -> None:
    done = [name for name in PAGES if _has_something_to_do(name)]
    assert len(done) > len(PAGES) / 2


# --- the reader itself ------------------------------------------------------------------------------------------------

PAGE = """\
# A page

```{code-block} python
:caption: hello.py

print("hello")
```

```console
$ python hello.py
hello
$ mkdir deep && cd deep && export WHO=me
$ echo $WHO; pwd
me
/home/you/deep
```

```{code-block} diff
:caption: ../hello.py

-print("hello")
+print("one", "two", sep="\\n")
```

% any order
```console
$ python ../hello.py
two
one
```

% exit 3
```console
$ exit 3
```

% not run
```console
$ pip install pipeglot
```

```pycon
>>> import os
>>> def whose() -> str:
...     return os.environ["WHO"]
>>> whose()
'me'
```

% exit 1
```pycon
>>> print(1); 1 / 0
1
…
ZeroDivisionError: division by zero
```

<!-- fresh folder -->
<!-- file said.py -->
```python
print("said")
```

```console
$ ls
said.py
$ python said.py
said
```
"""


def read(tmp_path: Path, text: str, *, update: bool = False) -> str:
    page = tmp_path / "page.md"
    page.write_text(text)
    reader = Reader(page, tmp_path / "folder")
    reader.do(update=update)
    return "\n".join(reader.updated)


def test_a_page_is_done_from_top_to_bottom(tmp_path: Path) -> None:
    assert read(tmp_path, PAGE) == PAGE


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hello\n$ mkdir", "goodbye\n$ mkdir", "page.md:11: `python hello.py`\n--- the page says\ngoodbye"),
        ("% any order\n", "", "page.md:27: `python ../hello.py`"),
        ("% exit 3\n", "", "exit code 3, not 0"),
        ("exit 3\n```\n\n%", "exit 0\n```\n\n%", "exit code 0, not 3"),
        ('-print("hello")', '-print("helo")', "page.md:21: the edit does not fit `../hello.py`"),
        ("$ ls\n", "$ echo x\n", "`echo x`"),
        ("'me'\n", "'you'\n", "`whose()`\n--- the page says\n'you'\n--- it printed\n'me'"),
        ("% exit 1\n", "", "exit code 1, not 0"),
        ("$ pip install pipeglot", "$ rm -r x", "it can be run"),
        ("% not run", "% not sure", "means nothing"),
    ],
)
def test_what_is_not_so_is_found(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert PAGE.count(old) == 1
    with pytest.raises(AssertionError) as raised:
        read(tmp_path, PAGE.replace(old, new))
    assert told in str(raised.value)


def test_what_was_printed_takes_the_place_of_what_was_not(tmp_path: Path) -> None:
    wrong = PAGE.replace("hello\n$ mkdir", "good\nbye\n$ mkdir").replace("$ echo $WHO; pwd\nme\n", "$ echo $WHO; pwd\n")
    mended = read(tmp_path, wrong, update=True)
    assert "$ python hello.py\nhello\n$ mkdir" in mended
    assert "pwd\nme\n/" in mended
    assert mended.endswith(PAGE.partition("% any order")[2])


def test_what_differs_each_time_is_masked() -> None:
    said = [
        "wordcount succeeded in 50 ms: 10 steps (run fxfcmmfh3r)",
        "fxfcmmfh3r  wordcount  succeeded  2026-11-21 12:22:47  44 ms   local",
        "fxfcmmfh3r/words/output  plain data  432 B  run fxfcmmfh3r",
        '  "run_id": "fxfcmmfh3r32bpx7lonnijlu",',
        "  value  sha256:9a7bfabef4c4e1609479fd7e6baa955e69cf4c71691ec82167c7cfbaddf479b9",
    ]
    prints = [
        "wordcount succeeded in 3 min 20 s: 10 steps (run abcdefghij)",
        "abcdefghij  wordcount  succeeded  2027-01-02 00:00:00  1.2 s  local",
        "abcdefghij/words/output  plain data  432 B  run bcdefghijk",
        '  "run_id": "abcdefghijklmnopqrstuvwx",',
        "  value  sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ]
    assert same(said, prints, any_order=False)
    for number in range(len(said)):
        other = [line.replace("words", "wrods").replace("10 steps", "9 steps") for line in prints]
        other[number] += " more"
        assert not same(said, other, any_order=False)


def test_dots_stand_for_any_number_of_lines() -> None:
    assert same(["a", "…", "d"], ["a", "b", "c", "d"], any_order=False)
    assert same(["a", "…", "d"], ["a", "d"], any_order=False)
    assert not same(["a", "…", "d"], ["a", "b", "c"], any_order=False)
    assert not same(["a"], ["a", "b"], any_order=False)


def test_a_difference_names_the_page(tmp_path: Path) -> None:
    with pytest.raises(Different, match=r"page\.md:4: `false`\nexit code 1, not 0"):
        read(tmp_path, "\n```console\n$ false\n```\n")
