"""Spreading: guesses at unknown labels, by the labels of rows around them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import eye_array
from scipy.sparse.csgraph import laplacian
from scipy.sparse.linalg import cg
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph

from ..table.codecs import Float
from ..table.labels import Labels

#: The graph along which labels spread: neighbours of a row, directions they are found in, and how
#: much more than its own label theirs count.
N_NEIGHBORS = 7
N_DIRECTIONS = 50
SPREADING = 0.99
#: Features are held within so many standard deviations, or rare values would decide who is near.
FEATURE_LIMIT = 2.0
#: Classes thought less likely than this share of the likeliest one are ruled out.
RULED_OUT = 0.3


def spread(labels: Labels, features: Float) -> Float:
    """Return how likely every class is for every row, (n, n_classes), by its neighbours.

    Known labels spread along a graph of nearest neighbours. They keep to themselves; of more
    than two classes, some are ruled out where others are far likelier.

    Parameters
    ----------
    labels : Labels
    features : ndarray of shape (n, f)
        Standardised.

    References
    ----------
    "Learning with Local and Global Consistency" (Zhou et al., 2004); "Semi-Supervised Learning
    Using Gaussian Fields and Harmonic Functions" (Zhu et al., 2003), section 4: each class is
    brought to its share.
    """
    known = labels.indicators()
    if not labels.unknown.any():
        return known
    found = _along_graph(_near(features), known / known.sum(0))
    share = found * labels.prior / np.maximum(found.sum(0), np.finfo(float).tiny)
    reached = share.sum(1) > 0.0
    share[~reached] = labels.prior
    if len(labels.classes) > 2:
        share[share < RULED_OUT * share.max(1, keepdims=True)] = 0.0
    share /= share.sum(1, keepdims=True)
    return np.where(labels.unknown[:, None], share, known)


def _near(features: Float) -> Float:
    """Return features in which distances say how alike rows are."""
    held = features.clip(-FEATURE_LIMIT, FEATURE_LIMIT)
    n = min(N_DIRECTIONS, *held.shape)
    if n == held.shape[1]:
        return held
    return PCA(n, random_state=0).set_output(transform="default").fit_transform(held)


def _along_graph(features: Float, start: Float) -> Float:
    """Return (1 - a S)^-1 of a start (n, n_classes), S the normalised graph of neighbours."""
    n = len(features)
    graph = kneighbors_graph(features, min(N_NEIGHBORS, n - 1))
    apart = laplacian(graph + graph.T, normed=True)  # 1 - S
    system = (1.0 - SPREADING) * eye_array(n) + SPREADING * apart
    found = [cg(system, of_class, rtol=1e-8, maxiter=2_000)[0] for of_class in start.T]
    return np.column_stack(found).clip(0.0)
