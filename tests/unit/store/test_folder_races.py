"""Many writers of one key: one wins, all agree on who."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.store.folder import FolderStore

WRITERS = 8
KEYS = 50


def write_all(root: str, writer: int, barrier: Any) -> list[int]:
    """Put every key; return those that this writer won."""
    store = FolderStore(root)
    barrier.wait()
    return [i for i in range(KEYS) if store.put(f"a/{i % 5}/{i}", b"%d" % writer * 1000)]


def check(root: Path, won: dict[int, list[int]]) -> None:
    assert sorted(i for keys in won.values() for i in keys) == list(range(KEYS))
    store = FolderStore(root)
    for writer, keys in won.items():
        for i in keys:
            assert store.get(f"a/{i % 5}/{i}") == b"%d" % writer * 1000
    assert len(list(store.list("a/"))) == KEYS
    assert [path.name for path in (root / "tmp").iterdir()] == ["swept"]


def in_process(send: Any, *args: Any) -> None:
    send.send(write_all(*args))


def test_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(WRITERS)
    pipes = [context.Pipe(duplex=False) for _ in range(WRITERS)]
    root = str(tmp_path / "store")
    processes = [
        context.Process(target=in_process, args=(send, root, writer, barrier)) for writer, (_, send) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    won = {writer: receive.recv() for writer, (receive, _) in enumerate(pipes)}
    for process in processes:
        process.join()
    check(tmp_path / "store", won)


@pytest.mark.parametrize("links", [True, False])
def test_threads(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    barrier = threading.Barrier(WRITERS)
    with ThreadPool(WRITERS) as pool:
        won = pool.map(lambda writer: write_all(str(tmp_path / "store"), writer, barrier), range(WRITERS), chunksize=1)
    check(tmp_path / "store", dict(enumerate(won)))


def no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_put_against_delete(tmp_path: Path) -> None:
    """`delete` removes empty folders under the feet of `put`."""
    store = FolderStore(tmp_path / "store")
    store.put("x", b"")
    ended = threading.Event()

    def loop(act: Callable[[int], object]) -> int:
        count = 0
        while not ended.is_set():
            act(count)
            count += 1
        return count

    with ThreadPool(4) as pool:
        jobs = [
            pool.apply_async(loop, (act,))
            for act in (
                lambda i: store.put(f"a/b/{i % 3}", b""),
                lambda i: store.delete(f"a/b/{i % 3}"),
                lambda i: store.put(f"a/c/{i % 3}", b""),
                lambda i: store.delete(f"a/c/{i % 3}"),
            )
        ]
        threading.Timer(0.3, ended.set).start()
        assert all(job.get(10) > 0 for job in jobs)
