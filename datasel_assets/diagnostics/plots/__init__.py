"""Pictures as PNG bytes of at most 60 KB, one function each. Arrays and names in, bytes out."""

from datasel_assets.diagnostics.plots.bandits import bandit_path
from datasel_assets.diagnostics.plots.canvas import MAX_BYTES, as_markdown
from datasel_assets.diagnostics.plots.clusters import cluster_map, cluster_sizes
from datasel_assets.diagnostics.plots.costs import cost_bars, growth
from datasel_assets.diagnostics.plots.dynamics import dynamics_curves
from datasel_assets.diagnostics.plots.gradient_energy import gradient_energy
from datasel_assets.diagnostics.plots.lengths import length_histogram, length_profiles
from datasel_assets.diagnostics.plots.losses import loss_curve
from datasel_assets.diagnostics.plots.neighbourhoods import label_neighbourhoods
from datasel_assets.diagnostics.plots.occupancy import cluster_occupancy
from datasel_assets.diagnostics.plots.outcomes import outcomes
from datasel_assets.diagnostics.plots.overlap import overlap_heatmap
from datasel_assets.diagnostics.plots.ratio import ratio_curves
from datasel_assets.diagnostics.plots.recipe_scatter import recipe_scatter
from datasel_assets.diagnostics.plots.representations import fidelity, layer_energy
from datasel_assets.diagnostics.plots.run_effects import run_effects
from datasel_assets.diagnostics.plots.score_grid import score_grid
from datasel_assets.diagnostics.plots.scores import score_curve
from datasel_assets.diagnostics.plots.source_mix import source_mix
from datasel_assets.diagnostics.plots.sources import source_shares, token_histogram
from datasel_assets.diagnostics.plots.spectra import spectra
from datasel_assets.diagnostics.plots.training_rounds import training_rounds

__all__ = [
    "MAX_BYTES",
    "as_markdown",
    "bandit_path",
    "cluster_map",
    "cluster_occupancy",
    "cluster_sizes",
    "cost_bars",
    "dynamics_curves",
    "fidelity",
    "gradient_energy",
    "growth",
    "label_neighbourhoods",
    "layer_energy",
    "length_histogram",
    "length_profiles",
    "loss_curve",
    "outcomes",
    "overlap_heatmap",
    "ratio_curves",
    "recipe_scatter",
    "run_effects",
    "score_curve",
    "score_grid",
    "source_mix",
    "source_shares",
    "spectra",
    "token_histogram",
    "training_rounds",
]
