"""The plot of the report."""

from pathlib import Path


def bars(aucs: dict[str, float], bar: float, path: Path) -> Path:
    from matplotlib.figure import Figure  # slow to import, and only the report needs it

    names = sorted(aucs, key=lambda name: aucs[name])
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [aucs[name] for name in names], color=["lightsteelblue"] * (len(names) - 1) + ["steelblue"])
    axes.axvline(bar, color="black", linestyle="--", linewidth=1)
    axes.set(title="How well late arrivals are foreseen, by carrier", xlabel="AUC on held-out days", xlim=(0.4, 1))
    figure.savefig(path, metadata={"Software": None})  # the version of matplotlib would make equal plots differ
    return path
