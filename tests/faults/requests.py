"""What servers and networks make of the requests to a bucket: each call of the client's is a point.

The texts of the errors are the client's own; that it still words them so is what `tests/unit/store` holds it to, with
real connections that break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn

from tests.faults.points import EVERY_KIND, ON_REQUEST, Do, Injector


class _Body:
    """As the client gives it, but all of it is here."""

    def __init__(self, data: bytes, meta: dict[str, Any]) -> None:
        self._data = data
        self.meta = meta

    def bytes(self) -> bytes:
        return self._data


def install(injector: Injector) -> None:
    """Stand between the store and its client, for the rest of this process."""
    import obstore

    for name in ON_REQUEST:
        setattr(obstore, name, partial(_asked, injector, name, _WHOLE.get(name, getattr(obstore, name))))


def _asked(injector: Injector, name: str, real: Callable[..., Any], client: Any, *args: Any, **named: Any) -> Any:
    return injector.at("request", name, str(args[0]).partition("/")[2], real, client, *args, **named)


def _get(real: Callable[..., Any], *args: Any, **named: Any) -> _Body:
    found = real(*args, **named)
    return _Body(bytes(found.bytes()), found.meta)


def _list(real: Callable[..., Iterable[Any]], *args: Any, **named: Any) -> list[Any]:
    return list(real(*args, **named))


def _real(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
    import obstore

    return partial(whole, getattr(obstore, name))


_WHOLE = {"get": _real("get", _get), "list": _real("list", _list)}

# --- what goes wrong --------------------------------------------------------------------------------------------------

_BODY = "<Error><Code>{}</Code><Message>As it is told in a test.</Message></Error>"


def answered(status: int, code: str = "") -> Exception:
    """The server says so."""
    import obstore.exceptions as kinds

    kind = kinds.AlreadyExistsError if status == 409 else kinds.GenericError
    return kind(f"Generic S3 error: Server returned non-2xx status code: {status} Odd: {_BODY.format(code)}")


def broken(kind: str) -> Exception:
    """The connection broke. `Connect`: nothing was sent; `Request`: no answer came; `Interrupted`: half of one."""
    import obstore.exceptions as kinds

    return kinds.GenericError(f"Generic S3 error: HTTP error: error sending request\n\nHttpError {{ kind: {kind} }}")


def _not_done(error: Callable[[], Exception]) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(_: Injector, __: str, ___: Do) -> NoReturn:
        raise error()

    return fail


def _done(error: Callable[[], Exception]) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(_: Injector, __: str, do: Do) -> NoReturn:
        do()
        raise error()

    return fail


def _from_here_on(error: Callable[[], Exception]) -> Callable[[Injector, str, Do], NoReturn]:
    def fail(injector: Injector, _: str, __: Do) -> NoReturn:
        injector.network = error
        raise error()

    return fail


_busy = partial(answered, 503, "SlowDown")

EVERY_KIND.update(
    {
        "503": _not_done(_busy),
        "503, and done": _done(_busy),
        "429": _not_done(partial(answered, 429, "SlowDown")),
        "500, and done": _done(partial(answered, 500, "InternalError")),
        "409 of two at once": _not_done(partial(answered, 409, "ConditionalRequestConflict")),
        "connection refused": _not_done(partial(broken, "Connect")),
        "connection reset": _not_done(partial(broken, "Request")),
        "connection reset, and done": _done(partial(broken, "Request")),
        "no answer": _not_done(partial(broken, "Timeout")),
        "no answer, and done": _done(partial(broken, "Timeout")),
        "cut short": _done(partial(broken, "Interrupted")),
        "busy from here on": _from_here_on(_busy),
        "down from here on": _from_here_on(partial(broken, "Connect")),
    }
)
