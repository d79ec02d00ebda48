"""Picture of a training: loss by step."""

import numpy as np

from datasel_assets.diagnostics.plots import canvas


def loss_curve(
    steps: np.ndarray, train: np.ndarray, held_out_steps: np.ndarray, held_out: np.ndarray, along: str = "step"
) -> bytes:
    """Draw the loss of each training step, and of the held-out rows where it was measured.

    Args:
        steps: (n,) numbers of the steps.
        train: (n,) loss of the step's batch, nats per token.
        held_out_steps: (m,) steps after which the held-out loss was measured.
        held_out: (m,) the held-out loss.
        along: what the steps count, in words.

    Returns:
        PNG, at most 60 KB.
    """
    fig, axes = canvas.figure(2.8, "Loss of the training", "nats per token; held-out rows were never trained on")
    if not len(steps):
        canvas.empty(axes, "no step was taken")
        return canvas.to_png(fig)
    axes.plot(steps, train, color=canvas.POOL, linewidth=1.0, label="training batch")
    if len(held_out):
        axes.plot(held_out_steps, held_out, color=canvas.SELECTED, linewidth=1.8, marker="o", markersize=3)
        axes.plot([], [], color=canvas.SELECTED, linewidth=1.8, label=f"held out, best {np.min(held_out):.3f}")
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.number_axis(axes.xaxis)
    canvas.caption_axis(axes, along)
    canvas.legend(axes, loc="upper right")
    return canvas.to_png(fig)
