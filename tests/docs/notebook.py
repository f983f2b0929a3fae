"""The cells of a page, run in a kernel as a notebook runs them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Notebook:
    """A kernel of this Python, at work in a folder. Pictures are left out of what a cell prints."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        from jupyter_client.manager import start_new_kernel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Jupyter's own are not ours to mend
            self._manager, self._client = start_new_kernel(
                kernel_name="python3", cwd=str(folder), env=env, startup_timeout=60
            )

    def run(self, cell: str) -> tuple[int, str]:
        """1 if it raised, else 0; and what it printed, with the value of its last line."""
        shown: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reply = self._client.execute_interactive(
                cell, allow_stdin=False, timeout=120, output_hook=lambda one: shown.append(_text(one))
            )
        return int(reply["content"]["status"] == "error"), "".join(shown)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    match message["msg_type"]:
        case "stream":
            return str(content["text"])
        case "execute_result":
            return f"{content['data']['text/plain']}\n"
        case "error":
            return _COLOURS.sub("", "\n".join(content["traceback"])) + "\n"
        case _:
            return ""
