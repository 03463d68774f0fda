"""The picture of a benchmark: every variant's time as a share of torch.nn.LSTM's."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from gatelab.paths import PATHS

__all__ = ["drawn"]


def drawn(rows: Sequence[Mapping[str, Any]], threads: int) -> bytes:
    """Return forward + backward of the fastest path over torch.nn.LSTM, a bar for each variant and shape, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    chosen = [row for row in rows if row["threads"] == threads and row["path"] in (PATHS[0].name, "torch")]
    shapes = list(dict.fromkeys(row["shape"] for row in chosen))
    names = list(dict.fromkeys(row["variant"] for row in chosen))
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    width = 0.8 / len(shapes)
    for position, shape in enumerate(shapes):
        ratios = {row["variant"]: row["both_of_torch.nn.LSTM"] for row in chosen if row["shape"] == shape}
        places = [index + (position - (len(shapes) - 1) / 2) * width for index in range(len(names))]
        colour = plt.get_cmap("cividis")(position / max(1, len(shapes) - 1) * 0.85)
        axes.bar(places, [ratios[name] for name in names], width, label=shape, color=colour)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_ylabel("time / torch.nn.LSTM's")
    axes.set_title(f"Forward + backward, {PATHS[0].name} path, {threads} thread{'s' * (threads > 1)}")
    axes.legend(title="T×B×I×H", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    plt.close(figure)
    return content.getvalue()
