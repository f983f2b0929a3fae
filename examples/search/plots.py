"""The plot of the results."""

from pathlib import Path


def scatter(points: list[tuple[float, float, float]], winner: tuple[float, float], path: Path) -> Path:
    """Each candidate by its settings, coloured by its accuracy, the winner ringed."""
    from matplotlib.figure import Figure  # slow to import, and only the report needs it

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    strengths, gammas, accuracies = zip(*points, strict=True)
    shown = axes.scatter(strengths, gammas, c=accuracies, s=80, cmap="viridis")
    axes.scatter([winner[0]], [winner[1]], s=220, facecolors="none", edgecolors="crimson", linewidths=2)
    axes.set(title="Accuracy of the candidates", xlabel="C", ylabel="gamma", xscale="log", yscale="log")
    figure.colorbar(shown, label="cross-validated accuracy")
    figure.savefig(path, metadata={"Software": None})  # the version of matplotlib would make equal plots differ
    return path
