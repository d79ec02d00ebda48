"""Clusters of representations: spherical k-means, titles, 2-D picture. Arrays in, arrays out."""

from datasel_assets.clusters.kmeans import (
    FIT_ROWS,
    FIT_ROWS_PER_CLUSTER,
    ClusterModel,
    ClusterStats,
    assign,
    auto_k,
    cluster_stats,
    fit_clusters,
)
from datasel_assets.clusters.projection import Projection, project_2d
from datasel_assets.clusters.titles import titles

__all__ = [
    "FIT_ROWS",
    "FIT_ROWS_PER_CLUSTER",
    "ClusterModel",
    "ClusterStats",
    "Projection",
    "assign",
    "auto_k",
    "cluster_stats",
    "fit_clusters",
    "project_2d",
    "titles",
]
