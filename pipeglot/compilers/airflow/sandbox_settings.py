"""The `airflow.cfg` of a sandbox: quick to see new files, light, and reachable from this machine only."""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
from collections.abc import Mapping

from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.postgres import uri
from pipeglot.compilers.sandboxes.waiting import LOCALHOST
from pipeglot.core.errors import UsageError

Settings = dict[str, dict[str, str]]
"""By section and key."""

USER = "admin"
PASSWORDS = "passwords.json"

_REFRESH = "5"
"""Seconds until a new DAG file is seen. A changed one is parsed at once then, an unchanged one every 30 s."""

_PATIENT = "180"
"""Seconds that parsing a file may take: a busy machine is no mistake in it."""


def render(settings: Settings) -> str:
    """As a file. No value is put together from others: a `%` means itself."""
    parser = configparser.RawConfigParser()
    parser.read_dict({section: _escaped(keys) for section, keys in settings.items()})
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def settings_of(
    version: str, home: Home, folders: Mapping[str, str], ports: tuple[int, ...], given: Mapping[str, str]
) -> Settings:
    """All that differs from Airflow's defaults, with what the user has set."""
    web, database, unused = ports
    found = _common(home, folders, database, unused)
    _add(found, _of_3(home, folders, web) if version == "3" else _of_2(home, folders, web))
    _add(found, split(given))
    return found


def split(given: Mapping[str, str]) -> Settings:
    """Settings as the user writes them, `section.key`. Raises `UsageError`."""
    found: Settings = {}
    for name, value in given.items():
        section, dot, key = name.partition(".")
        if not (dot and section and key) or "\n" in name + value:
            raise UsageError(
                f"`{name}` names no setting of Airflow", hint="write section and key: `-o core.max_map_length=16`"
            )
        found.setdefault(section, {})[key] = value
    return found


def needed(version: str) -> set[tuple[str, str]]:
    """What the sandbox itself depends on, and nobody may set to something else."""
    home_only = {
        "core": ("dags_folder", "executor", "fernet_key", "execution_api_server_url", "auth_manager"),
        "database": ("sql_alchemy_conn", "sql_alchemy_conn_async", "sql_alchemy_schema"),
        "logging": ("base_log_folder", "worker_log_server_port"),
    }
    users = ("simple_auth_manager_users", "simple_auth_manager_passwords_file", "simple_auth_manager_all_admins")
    more = {
        "3": {"core": users, "api": ("host", "port", "base_url", "secret_key"), "api_auth": ("jwt_secret",)},
        "2": {"api": ("auth_backends",), "webserver": ("web_server_host", "web_server_port", "base_url", "secret_key")},
    }
    tables = (home_only, more[version])
    return {(section, key) for table in tables for section, keys in table.items() for key in keys}


def _common(home: Home, folders: Mapping[str, str], database: int, unused: int) -> Settings:
    return {
        "core": {
            "dags_folder": folders["dags"],
            "executor": "LocalExecutor",
            "parallelism": "8",
            "load_examples": "False",
            "fernet_key": _fernet_key(home),
            "hostname_callable": "socket.gethostname",  # the default asks name servers
            "dagbag_import_timeout": _PATIENT,
            "min_serialized_dag_update_interval": "1",
            "min_serialized_dag_fetch_interval": "1",
        },
        "database": {
            "sql_alchemy_conn": uri(home, database, "postgresql+psycopg2"),
            "load_default_connections": "False",
        },
        "logging": {
            "base_log_folder": folders["task_logs"],
            "worker_log_server_port": str(unused),  # nobody listens there: logs are read as files
            "trigger_log_server_port": str(unused),
        },
        "usage_data_collection": {"enabled": "False"},
    }


def _of_3(home: Home, folders: Mapping[str, str], web: int) -> Settings:
    url = f"http://{LOCALHOST}:{web}"
    return {
        "core": {
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(home.path / PASSWORDS),
        },
        "api": {
            "host": LOCALHOST,
            "port": str(web),
            "base_url": url,
            "workers": "1",
            "secret_key": home.secret("secret-key"),
        },
        "api_auth": {"jwt_secret": home.secret("jwt-secret")},
        "logging": {"dag_processor_child_process_log_directory": folders["parse_logs"]},
        "execution_api": {"jwt_expiration_time": "86400"},  # a task may wait long for its turn here
        "workers": {"execution_api_timeout": "30"},
        "dag_processor": {
            "refresh_interval": _REFRESH,
            "bundle_refresh_check_interval": "1",
            "min_file_process_interval": "30",
            "file_parsing_sort_mode": "modified_time",
            "dag_file_processor_timeout": _PATIENT,
            "parsing_processes": "1",
        },
        "scheduler": {"scheduler_idle_sleep_time": "0.5"},
    }


def _of_2(home: Home, folders: Mapping[str, str], web: int) -> Settings:
    return {
        "core": {"dag_file_processor_timeout": _PATIENT},
        "api": {"auth_backends": "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session"},
        "logging": {
            "dag_processor_manager_log_location": f"{folders['logs']}/dag-processor-manager.log",
        },
        "scheduler": {
            "dag_dir_list_interval": _REFRESH,
            "min_file_process_interval": "30",
            "file_parsing_sort_mode": "modified_time",
            "parsing_processes": "1",
            "child_process_log_directory": folders["parse_logs"],
            "scheduler_idle_sleep_time": "0.5",
        },
        "webserver": {
            "web_server_host": LOCALHOST,
            "web_server_port": str(web),
            "base_url": f"http://{LOCALHOST}:{web}",
            "workers": "1",
            "secret_key": home.secret("secret-key"),
            "warn_deployment_exposure": "False",
        },
    }


def _fernet_key(home: Home) -> str:
    """32 bytes, as Airflow wants them to keep the passwords of connections."""
    return base64.urlsafe_b64encode(hashlib.sha256(home.secret("fernet-seed").encode()).digest()).decode()


def _add(settings: Settings, more: Settings) -> None:
    for section, keys in more.items():
        settings.setdefault(section, {}).update(keys)


def _escaped(keys: Mapping[str, str]) -> dict[str, str]:
    return {key: value.replace("%", "%%") for key, value in keys.items()}
