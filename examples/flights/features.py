"""What is known of a flight before it leaves: its plan, the weather at that hour and the plane."""

import cleaning
import pandas as pd

PLAN = ["month", "weekday", "departure", "arrival", "distance", "airport"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
PLANE = ["age", "seats"]
INPUTS = PLAN + WEATHER + PLANE


def build(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Give one row for each flight that arrived: its carrier, which part of the data it is in, `INPUTS` and `late`."""
    rows = cleaning.arrived(flights)
    rows = rows.merge(weather[["origin", "time_hour", *WEATHER]], how="left", on=["origin", "time_hour"])
    rows = rows.merge(planes[["tailnum", "seats", "year"]], how="left", on="tailnum", suffixes=("", "_built"))
    rows = rows.assign(
        weekday=pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week,
        departure=cleaning.hours(rows["sched_dep_time"]),
        arrival=cleaning.hours(rows["sched_arr_time"]),
        airport=rows["origin"].map({"EWR": 0, "JFK": 1, "LGA": 2}),
        age=rows["year"] - rows["year_built"],
        part=rows["day"].map(part),
        late=cleaning.late(rows["arr_delay"]),
    )
    return rows[["carrier", "part", *INPUTS, "late"]]


def part(day: int) -> str:
    """Whole days are held out, as flights of one day share their weather and their jams."""
    return {0: "test", 1: "validate"}.get(day % 5, "train")
