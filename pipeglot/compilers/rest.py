"""An orchestrator's REST API: how it is asked, by whom, and what is said when it gives no good answer."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from pipeglot.compilers.remote import Away
from pipeglot.core.errors import ConfigError, EngineError
from pipeglot.core.variables import expand

TIMEOUT = 30.0
TOKEN_TIMEOUT = 60.0
_MOST = 64 << 20
"""Bytes of one answer. One that is larger is no good one; of a text, which may be a long log, its end is taken."""
_END = 4 << 20
_PIECE = 1 << 20
_JSON = "application/json"

PAGE = 100
SNAKE = ("page_size", "page_token", "next_page_token")
CAMEL = ("pageSize", "pageToken", "nextPageToken")
"""What an API calls how many entries of a list it is asked for, from where on, and where it goes on."""

BUSY = (429, 502, 503, 504)
"""What a server that is too busy or just starting answers, or the proxy before it."""
PAUSES = (1.0, 3.0)
"""Seconds before such a request is made again."""
_LONGEST_PAUSE = 10.0


class Answer(NamedTuple):
    """The status of an answer, and its content: JSON if it is some, else text."""

    status: int
    content: Any
    location: str = ""
    pause: float = 0.0
    """Seconds after which to ask again, if it says so."""

    @property
    def detail(self) -> str:
        """What the server says about a refusal."""
        found = self.content
        if isinstance(found, dict) and isinstance(found.get("error"), dict):  # as Google has it
            found = found["error"]
        if isinstance(found, dict):
            found = found.get("detail") or found.get("title") or found.get("message") or found
        if isinstance(found, str):
            return _short(_page_title(found) if found.lstrip().startswith("<") else found)
        return _short(json.dumps(found))

    @property
    def is_page(self) -> bool:
        """Whether it is no JSON, as the log-in page of a proxy."""
        return not isinstance(self.content, dict | list)


class Sent(NamedTuple):
    """A body that is no JSON."""

    kind: str
    data: bytes


class Rest(ABC):
    """The API of one server. Raises `EngineError` if it cannot be reached, refuses us, or is another one."""

    title: ClassVar[str]
    """The orchestrator, as people write it."""
    example: ClassVar[str]
    """An address that it may have."""

    def __init__(self, stack: str, api_url: str, auth: Mapping[str, str]) -> None:
        self.stack_name = stack
        self.auth = auth
        self.name = f"the {self.title} of stack `{stack}`"
        if not api_url:
            raise ConfigError(
                f"stack `{stack}` does not say where {self.title}'s API is",
                hint=f"write `api_url:` into it, as `{self.example}`",
            )
        self.url = expand(api_url, f"stack `{stack}`: `api_url`").rstrip("/")
        if "@" in self.url:
            raise ConfigError(
                f"stack `{stack}`: `api_url` has a user or a password in it, which is shown to others",
                hint="say them in `auth:`: `user:` with `password_file:` or `password: ${VARIABLE}`",
            )
        self.place = urlsplit(self.url)
        if self.place.scheme not in ("http", "https") or not self.place.hostname:
            raise ConfigError(f"stack `{stack}`: `api_url` is no address: `{self.url}`", hint=f"`{self.example}`")
        self._authorization = ""

    @property
    @abstractmethod
    def root(self) -> str:
        """Where on the server its API begins."""

    @abstractmethod
    def token(self) -> str:
        """The header `Authorization` by which it knows us; "" if there is none."""

    def other_api(self, found: Answer) -> str:  # noqa: ARG002  # of those that can tell
        """The hint to somebody whose stack takes a server for another one; "" if this answer does not say so."""
        return ""

    # --- asking -------------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        """What lies there. Raises for every answer but a good one."""
        return self.checked("GET", path, self.send("GET", path, None, query)).content

    def find(self, path: str, **query: Any) -> Any | None:
        """The same; None if it is not there."""
        found = self.send("GET", path, None, query)
        if found.status == 404 and not self.other_api(found):
            return None
        return self.checked("GET", path, found).content

    def text(self, path: str, accept: str, **query: Any) -> str:
        """What lies there, as text: a log. Raises for every answer but a good one."""
        found = self.send("GET", path, None, query, accept)
        if found.status >= 300:
            raise self.refused("GET", path, found)
        if found.content is None:
            return ""
        return found.content if isinstance(found.content, str) else json.dumps(found.content)

    def patch(self, path: str, body: Any) -> Any:
        return self.checked("PATCH", path, self.send("PATCH", path, body, {})).content

    def post(self, path: str, body: Any) -> Any:
        return self.checked("POST", path, self.send("POST", path, body, {})).content

    def delete(self, path: str) -> None:
        self.checked("DELETE", path, self.send("DELETE", path, None, {}))

    def created(self, path: str, body: Any, query: dict[str, Any], known: Callable[[], Any | None]) -> Answer:
        """Make something, once. If only the answer is lost, or comes late, `known` finds what was made.

        Raises `Away` if there is nothing then. Other answers are the caller's to judge.
        """
        try:
            found = self.send("POST", path, body, query, once=True)
            if found.status in BUSY:
                raise self.refused("POST", path, found)
        except Away:
            there = known()
            if there is None:
                raise
            return Answer(200, there)
        return found

    def listed(self, path: str, name: str, words: tuple[str, str, str], **query: Any) -> Iterator[Any]:
        """All entries of a list, page by page."""
        size, place, following = words
        token = ""
        while True:
            more = {place: token} if token else {}
            found = self.get(path, **{size: PAGE}, **query, **more)
            if not isinstance(found, dict):
                raise self.foreign("GET", path, "something else than a list")
            yield from found.get(name) or ()
            token = found.get(following) or ""
            if not token:
                return

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        query: dict[str, Any],
        accept: str = _JSON,
        *,
        once: bool = False,
    ) -> Answer:
        """One request: with a new token if the old one has run out, and again if the server is too busy for it.

        once: not again, for it might be done twice then.
        """
        pauses, is_renewed = [] if once else list(PAUSES), False
        while True:
            headers = {"Authorization": self._authorized(), "Accept": accept}
            found = self.request(method, f"{self.root}{path}", body, query, headers)
            if found.status == 401 and not is_renewed:
                self._authorization, is_renewed = "", True
            elif found.status in BUSY and pauses:
                time.sleep(min(max(pauses.pop(0), found.pause), _LONGEST_PAUSE))
            else:
                return found

    # --- answers that are not good ------------------------------------------------------------------------------------

    def checked(self, method: str, path: str, found: Answer) -> Answer:
        """The answer, if it is a good one."""
        if found.status >= 300:
            raise self.refused(method, path, found)
        if found.is_page and found.content is not None:
            raise self.foreign(method, path, f"a page: {found.detail}")
        return found

    def refused(self, method: str, path: str, found: Answer) -> EngineError:
        asked = f"`{method} {path}`"
        if found.status in (401, 403):
            what = "does not know us" if found.status == 401 else f"does not let us {asked}"
            return EngineError(f"{self.name} {what}: {found.detail}", hint="look at `auth:` of the stack")
        if 300 <= found.status < 400:
            return EngineError(
                f"{self.name} is not at {self.url}: {asked} is redirected to {found.location or 'nowhere'}",
                hint="write the address that it answers at as `api_url:` of the stack; or log in past what redirects",
            )
        if found.status in BUSY:
            return Away(f"{self.name} cannot answer now: {found.status} to {asked}: {found.detail}")
        hint = self.other_api(found)
        if hint:
            return EngineError(f"{self.name} has no `{self.root or '/'}`", hint=hint)
        return EngineError(f"{self.name} answered {found.status} to {asked}: {found.detail}")

    def foreign(self, method: str, path: str, what: str) -> EngineError:
        return EngineError(
            f"{self.name} is not what answers at {self.url}: `{method} {path}` gives {what}",
            hint="is `api_url:` right, and does a proxy before it ask for a log-in?"
            " `auth: {token_command: …}` gives a token of it",
        )

    # --- who we are ---------------------------------------------------------------------------------------------------

    def _authorized(self) -> str:
        if not self._authorization:
            self._authorization = self.token() or "-"
        return self._authorization

    def said(self, name: str) -> str:
        """What `auth:` of the stack has under a name, with its variables; "" if it does not say."""
        return expand(self.auth.get(name, ""), f"stack `{self.stack_name}`: `auth`")

    def secret(self, name: str) -> str:
        """The same of a secret, which may stand in a file: `password`, or `password_file`. Raises `ConfigError`."""
        if f"{name}_file" not in self.auth:
            return self.said(name)
        file = Path(self.said(f"{name}_file")).expanduser()
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"stack `{self.stack_name}`: `auth`: `{file}` cannot be read: {error.strerror}") from None

    def key_or_password(self, key: str) -> str:
        """The header of somebody with a key of this name, or a `user`; "" if the stack says neither."""
        if "token_command" in self.auth:
            return f"Bearer {self.commanded()}"
        if key in self.auth or f"{key}_file" in self.auth:
            return f"Bearer {self.secret(key)}"
        user = self.said("user")
        return basic(user, self.secret("password")) if user else ""

    def commanded(self) -> str:
        """The token that the user's own command prints."""
        return _run(self.auth["token_command"], self.stack_name)

    # --- the wire -----------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any, query: dict[str, Any], headers: dict[str, str]) -> Answer:
        """One request, to a path from the server's root. Raises only if there is no answer."""
        asked = f"?{urlencode(query, doseq=True)}" if query else ""
        sent = body if isinstance(body, Sent) else Sent("application/json", json.dumps(body).encode())
        data = None if body is None else sent.data
        kind = HTTPSConnection if self.place.scheme == "https" else HTTPConnection
        assert self.place.hostname is not None, "it was looked at before"
        connection = kind(self.place.hostname, self.place.port, timeout=TIMEOUT)
        try:
            connection.request(method, f"{path}{asked}", data, {"Content-Type": sent.kind, **headers})
            response = connection.getresponse()
            is_text = headers.get("Accept") not in (None, _JSON)
            found = _end_of(response) if is_text else response.read(_MOST + 1)
            if len(found) > _MOST:
                raise EngineError(f"{self.name} answers `{method} {path}` with more than {_MOST >> 20} MiB")
            return _answer(response, found)
        except ssl.SSLCertVerificationError as error:
            raise EngineError(
                f"{self.name} is not who it says at {self.url}: {error.verify_message}",
                hint="of a certificate authority of your own: `SSL_CERT_FILE` names the file with its certificate",
            ) from None
        except ssl.SSLError as error:
            raise EngineError(
                f"{self.name} cannot be talked to by TLS at {self.url}: {error.reason or error}",
                hint="does it speak plain `http://` there?",
            ) from None
        except TimeoutError:
            raise Away(f"{self.name} gives no answer at {self.url} within {TIMEOUT:.0f} s") from None
        except (OSError, HTTPException) as error:
            why = (
                error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
            )
            raise Away(
                f"{self.name} cannot be reached at {self.url}: {why}", hint="is it up, and is `api_url:` right?"
            ) from None
        finally:
            connection.close()


def part(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe="")


def basic(user: str, password: str) -> str:
    """The header of somebody with a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _end_of(response: HTTPResponse) -> bytes:
    """All of a text, or the last lines of a long one."""
    found = bytearray()
    is_cut = False
    while piece := response.read(_PIECE):
        found += piece
        if len(found) > 2 * _END:
            del found[:-_END]
            is_cut = True
    if is_cut:
        del found[: found.find(b"\n") + 1]
    return bytes(found)


def _answer(response: HTTPResponse, data: bytes) -> Answer:
    kind = response.getheader("Content-Type") or ""
    content: Any = data.decode("utf-8", "replace") or None
    if content is not None and "json" in kind and "ndjson" not in kind:
        with suppress(ValueError):
            content = json.loads(content)
    pause = response.getheader("Retry-After") or ""
    return Answer(
        response.status, content, response.getheader("Location") or "", float(pause) if pause.isdecimal() else 0.0
    )


def _page_title(page: str) -> str:
    """Of an HTML page, what it calls itself."""
    import html
    import re

    found = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
    return f"the page `{html.unescape(found[1]).strip()}`" if found else "a page of HTML"


def _short(text: str) -> str:
    return text if len(text) <= 500 else f"{text[:500]}…"


def _run(command: str, stack: str) -> str:
    """What a command prints: a token. The command is the user's own, from `pipeglot.yaml`, without a shell."""
    import shlex

    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=TOKEN_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"stack `{stack}`: `auth.token_command` gives no token within {TOKEN_TIMEOUT:.0f} s",
            hint="does it wait for somebody to log in? run it by hand once",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"stack `{stack}`: `auth.token_command` cannot be run: {error}") from None
    token = done.stdout.strip()
    if done.returncode or not token:
        why = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
        raise ConfigError(f"stack `{stack}`: `auth.token_command` gives no token: {why}")
    if not token.isascii() or not token.isprintable():  # it is not shown: a part of it may be a token
        raise ConfigError(
            f"stack `{stack}`: `auth.token_command` gives more than a token: it is to print one line, and that alone",
            hint="what else it has to say belongs on standard error",
        )
    return token
