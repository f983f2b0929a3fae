"""ZenML: the default stack, with its database and artifacts in a folder, and no server."""

from __future__ import annotations

from benchmarks.measure import Tool
from benchmarks.peers.place import Place
from benchmarks.rows import (
    ARRAY,
    HELP,
    IMPORT,
    ITEMS_3,
    PEER_STEPS,
    STEPS_3,
    STEPS_3_CACHED,
    cached_row,
    chain_row,
    map_row,
)


def zenml_tool(place: Place) -> Tool:
    few, many = _flow(place, "chain", 3), _flow(place, "chain", PEER_STEPS)
    cases = (
        place.case(HELP, place.program("zenml"), "--help"),
        place.case(IMPORT, *place.python("-c", "from zenml import pipeline, step")),
        place.case(STEPS_3, *few),
        place.case(chain_row(PEER_STEPS), *many),
        place.case(STEPS_3_CACHED, *few, cached=True),
        place.case(cached_row(PEER_STEPS), *many, cached=True),
        place.case(ITEMS_3, *_flow(place, "wide", 3)),
        place.case(map_row(PEER_STEPS), *_flow(place, "wide", PEER_STEPS)),
        place.case(ARRAY, *_flow(place, "array", 12_500_000)),
    )
    env = {
        **place.env,
        "ZENML_CONFIG_PATH": str(place.folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "AUTO_OPEN_DASHBOARD": "false",
    }
    return Tool(place.folder, env, cases, warm_up=(few,))


def _flow(place: Place, kind: str, count: int) -> tuple[str, ...]:
    return place.python("zenml_flow.py", kind, "{start}", str(count))
