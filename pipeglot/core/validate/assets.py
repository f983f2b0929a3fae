"""The rules of an asset's URI: what every engine takes, and reads as the same thing."""

from __future__ import annotations

import re

_MOST = 1500
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://.+")
_SECRET = re.compile(r"://[^/?#]*@")


def asset_problem(uri: str) -> str:
    """Why a text is no URI of an asset; empty if it is one."""
    if not uri.strip():
        return "is empty"
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return "has letters that are not of ASCII, or spaces: write them as `%20`"
    if len(uri) > _MOST:
        return f"has {len(uri)} characters, and {_MOST} are the most"
    found = _URI.fullmatch(uri)
    if not found:
        return "is no URI, as `s3://bucket/name`"
    if found[1].lower() == "airflow":
        return "begins with `airflow:`, which Airflow keeps for itself"
    if _SECRET.search(uri):
        return "has a user or a password in it"
    return ""
