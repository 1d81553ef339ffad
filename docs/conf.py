"""Sphinx configuration."""

import inspect

from sklearn.base import BaseEstimator

import skvae

project = "skvae"
author = copyright = "the skvae developers"
version = release = skvae.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
html_theme = "alabaster"
html_theme_options = {"description": "the variational autoencoder for scikit-learn users"}
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath"]


def setup(app):
    """Show what ``__init__`` takes: Sphinx prefers ``__new__``, which refuses misspelt names."""
    for part in map(vars(skvae).get, skvae.__all__):
        if isinstance(part, type) and issubclass(part, BaseEstimator):
            part.__signature__ = inspect.signature(part)
