"""Dagster: jobs and assets in this process, recorded in an instance of their own, with its daemons not running."""

from __future__ import annotations

from benchmarks.measure import Tool
from benchmarks.peers.place import Place
from benchmarks.rows import ARRAY, ASSETS, ASSETS_3, HELP, IMPORT, ITEMS_3, PEER_STEPS, STEPS_3, chain_row, map_row

_SETTINGS = "telemetry:\n  enabled: false\n"


def dagster_tool(place: Place) -> Tool:
    home = place.folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(_SETTINGS)
    cases = (
        place.case(HELP, place.program("dagster"), "--help"),
        place.case(IMPORT, *place.python("-c", "from dagster import job, op")),
        place.case(STEPS_3, *_flow(place, "chain", 3)),
        place.case(chain_row(PEER_STEPS), *_flow(place, "chain", PEER_STEPS)),
        place.case(ASSETS_3, *_flow(place, "assets", 3)),
        place.case(ASSETS, *_flow(place, "assets", PEER_STEPS)),
        place.case(ITEMS_3, *_flow(place, "wide", 3)),
        place.case(map_row(PEER_STEPS), *_flow(place, "wide", PEER_STEPS)),
        place.case(ARRAY, *_flow(place, "array", 12_500_000)),
    )
    env = {**place.env, "DAGSTER_HOME": str(home)}
    return Tool(place.folder, env, cases, warm_up=(_flow(place, "chain", 3),))


def _flow(place: Place, kind: str, count: int) -> tuple[str, ...]:
    return place.python("dagster_flow.py", kind, "{start}", str(count))
