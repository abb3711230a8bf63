"""Draw a run's figures."""

from __future__ import annotations

from models.training.run_folder import RunFolder


def draw_metrics(run: RunFolder) -> str:
    """Draw metrics.jsonl as metrics.png.

    Returns:
        What to tell the user: "" if it was drawn, else why not.
    """
    try:
        import matplotlib
    except ImportError:
        return "no metrics.png: drawing needs the extra penstock[train]"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = run.metrics()
    names = [n for n in ("loss", "held_out_loss", "learning_rate") if any(n in x for x in lines)]
    if not names:
        return "no metrics.png: this task has no steps"
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 1)
    )
    for name in names:
        axes = below if name == "learning_rate" else above
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), label=name.replace("_", " "))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    below.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(run.path / "metrics.png", dpi=100)
    pyplot.close(figure)
    return ""
