"""Saved: a fitted estimator as one file, and what is read of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..core.vae import VAE
from ..files.archive import FilePath, read, reading, write
from ..files.checks import check, listed, take
from ..files.models import read_vae, written_vae
from ..files.relations import read_holes, read_relations, written_holes, written_relations
from ..files.tables import read_table, written_table
from ..files.values import Reader, Writer
from ..fit.combinations import refuse
from ..fit.settings import BUILT_BY, Setting, available_device, read_settings
from ..model.measures import Likelihoods
from ..model.model import Model, Seeds
from ..table.table import Table

#: What files are written as. One of a larger number has what this version knows nothing of.
SCHEMA = 2
#: What a file says that it holds.
KIND = "estimator"
#: Parameters that are not kept: a path of one machine is none of another.
NOT_KEPT = ("checkpoint",)


def _array(kind: str, ndim: int = 1) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, np.ndarray) and x.dtype.kind in kind and x.ndim == ndim


def _curve(x: Any) -> bool:
    return isinstance(x, list) and all(isinstance(value, float) for value in x)


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda x: x is None or is_right(x)


def _number(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


#: What every fitted estimator has beside its model, and what it must be.
FITTED: dict[str, Callable[[Any], bool]] = {
    "n_features_in_": lambda x: isinstance(x, Integral),
    "_has_holes": _array("b"),
    "_range": lambda x: isinstance(x, tuple) and len(x) == 2 and all(map(_array("f"), x)),
    "init_": lambda x: isinstance(x, str),
    "n_iter_": lambda x: isinstance(x, Integral),
    "loss_curve_": _curve,
    "reconstruction_curve_": _curve,
    "kl_curve_": _curve,
    "validation_scores_": _or_none(_curve),
    "best_validation_score_": _or_none(_number),
    "active_units_": _array("b"),
    "kl_per_unit_": _array("f"),
    "_sample_stream": lambda x: isinstance(x, np.random.RandomState),
}
#: What some estimators have.
OWN: dict[str, dict[str, Callable[[Any], bool]]] = {
    "VAEDensity": {},
    "VAETransformer": {},
    "VAEImputer": {},
    "VAEOutlierDetector": {
        "offset_": _number,
        "offset_rows_": lambda x: isinstance(x, str),
        "validation_outlier_rate_": _or_none(_number),
    },
    "VAEClassifier": {
        "classes_": _array("biufUOMm"),
        "class_prior_": _array("f"),
        "temperature_": lambda x: _number(x) and x > 0,
    },
}
#: What earlier files do not have, as it was then.
SINCE: dict[str, dict[str, Any]] = {"VAEClassifier": {"temperature_": 1.0}}
#: What an estimator may have.
PERHAPS: dict[str, Callable[[Any], bool]] = {
    "feature_names_in_": lambda x: _array("O")(x) and all(isinstance(name, str) for name in x),
    "_sklearn_output_config": lambda x: isinstance(x, dict),
}
#: What is made of the rest.
MADE = ("net_", "model_", "likelihoods_", "_built_by", "relations_", "_holes")


def save(estimator: Any, path: FilePath) -> None:
    """Write a fitted estimator."""
    check_is_fitted(estimator)
    name, parameters = _name(estimator), estimator.get_params(deep=False)
    _check_parameters(estimator)
    writer = Writer()
    fitted = {k: v for k, v in vars(estimator).items() if k not in (*parameters, *MADE)}
    for unknown in set(fitted) - set(FITTED) - set(OWN[name]) - set(PERHAPS):
        raise TypeError(
            f"{name} has {unknown}, which a file without pickle cannot hold. Keep the estimator "
            f"by pickle.dump or joblib.dump, or delete {unknown}."
        )
    model, families = estimator.model_, list(estimator.likelihoods_.values())
    kept = {key: None if key in NOT_KEPT else value for key, value in parameters.items()}
    document = {
        "kind": KIND,
        "schema": SCHEMA,
        "version": __version__,
        "estimator": name,
        "parameters": _written(writer, kept),
        "table": written_table(writer, model.table, families),
        "model": written_vae(writer, model.vae),
        "others": [written_vae(writer, vae, i) for i, vae in enumerate(model.others, 1)],
        "seeds": vars(model.seeds),
        "fitted": _written(writer, fitted),
        "relations": written_relations(writer, getattr(estimator, "relations_", [])),
        "holes": written_holes(writer, getattr(estimator, "_holes", None)),
        "built_by": {
            key: [writer.value(setting.value, key), setting.text]
            for key, setting in estimator._built_by.items()
        },
    }
    write(path, document, writer.arrays)


def load(path: FilePath, estimators: Mapping[str, Any], device: Any = None) -> Any:
    """Return the estimator of a file, one of some classes by name.

    Raises
    ------
    ValueError
        If the file is not one of ours, not whole, or of a later schema.
    """
    with reading(path):
        document, arrays = read(path)
        if document.get("kind") != KIND:
            raise ValueError(f"it holds no {KIND}")
        schema = take(document, "schema", int)
        if not 1 <= schema <= SCHEMA:
            raise ValueError(
                f"it has the schema {schema}, and this version of skvae, {__version__}, reads up "
                f"to {SCHEMA}. Install a later one"
            )
        estimator, vaes, table, families = _read(Reader(arrays), document, estimators)
        seeds = Seeds(**_read_seeds(document))
    if device is not None:
        estimator.device = device
    place = available_device(estimator.device)
    vae, *others = (vae.to(place) for vae in vaes)
    estimator.model_ = Model(vae, table, seeds, place, tuple(others))
    estimator.likelihoods_ = Likelihoods.of(table, families)
    return estimator


def _read(reader: Reader, document: dict[str, Any], estimators: Mapping[str, Any]) -> Any:
    """Return an estimator without its model, and what this is made of."""
    name = take(document, "estimator", str)
    if name not in estimators:
        raise ValueError(f"there is no estimator {name!r}")
    parameters = _read_object(reader, document, "parameters")
    if any(parameters.get(key) is not None for key in NOT_KEPT):
        raise ValueError("it has a parameter that is not kept")
    estimator = estimators[name](**parameters)
    _check_parameters(estimator)
    table, families = read_table(reader, take(document, "table", dict))
    models = [take(document, "model", dict), *listed(document.get("others", []), dict, "others")]
    vaes = [read_vae(reader, m, families, table.n_levels, i) for i, m in enumerate(models)]
    fitted = SINCE.get(name, {}) | _read_object(reader, document, "fitted")
    wanted = FITTED | OWN[name]
    if missing := set(wanted) - set(fitted):
        raise ValueError(f"{min(missing)} is missing")
    for key, value in fitted.items():
        if key not in wanted | PERHAPS or not (wanted | PERHAPS)[key](value):
            raise ValueError(f"{key} is not what it should be")
    for vae in vaes:
        _check_sizes(fitted, vae, table)
    vars(estimator).update(fitted)
    estimator._built_by = _read_built_by(reader, document)
    if name == "VAEDensity":
        _read_of_draws(reader, document, estimator, vaes, table)
    return estimator, vaes, table, families


def _check_parameters(estimator: Any) -> None:
    """Raise ValueError where ``fit`` would, but for a device that is not there."""
    estimator._validate_params()
    refuse(read_settings({**vars(estimator), "device": "cpu"}, estimator._door))


def _check_sizes(fitted: dict[str, Any], vae: VAE, table: Any) -> None:
    """Raise ValueError where parts of a file do not go together."""
    n, n_fields = vae.n_latent, len(table.container.fields)
    low, high = fitted["_range"]
    classes = fitted.get("classes_", ())
    n_context = len(classes) + (0 if table.context is None else table.context.width)
    sizes = {
        "active_units_": (len(fitted["active_units_"]), n),
        "kl_per_unit_": (len(fitted["kl_per_unit_"]), n),
        "n_features_in_": (fitted["n_features_in_"], n_fields),
        "feature_names_in_": (len(fitted.get("feature_names_in_", range(n_fields))), n_fields),
        "_has_holes": (len(fitted["_has_holes"]), n_fields),
        "_range": (len(low), n_fields),
        "the upper end of _range": (len(high), n_fields),
        "class_prior_": (len(fitted.get("class_prior_", ())), len(classes)),
        "what is conditioned on": (vae.blueprint.n_context, n_context),
    }
    for what, (size, wanted) in sizes.items():
        if size != wanted:
            raise ValueError(f"{what} has the size {size}, not {wanted}")


def _read_of_draws(
    reader: Reader, document: dict[str, Any], density: Any, vaes: list[VAE], table: Table
) -> None:
    """Read what draws are held to: files of the first schema have neither."""
    density.relations_ = read_relations(reader, document.get("relations"), table.container)
    n_latent, n_columns = vaes[0].n_latent, len(table.columns)
    density._holes = read_holes(reader, document.get("holes"), n_latent, n_columns)
    if density._holes is not None and len(density._holes) != len(vaes):
        raise ValueError("there are not as many models of missing cells as of rows")


def _read_seeds(document: dict[str, Any]) -> dict[str, int]:
    seeds = take(document, "seeds", dict)
    if not all(0 <= check(seed, int, name) < 2**32 for name, seed in seeds.items()):
        raise ValueError("a seed is none")
    return dict(seeds)


def _read_built_by(reader: Reader, document: dict[str, Any]) -> dict[str, Setting]:
    found = take(document, "built_by", dict)
    if set(found) != set(BUILT_BY):
        raise ValueError("the settings that the model was built by are not all there")
    settings = {}
    for name, setting in found.items():
        value, text = check(setting, list, name)
        settings[name] = Setting(reader.value(value), check(text, str, name))
    return settings


def _name(estimator: Any) -> str:
    name = type(estimator).__name__
    if name not in OWN or not type(estimator).__module__.startswith("skvae.estimators."):
        raise TypeError(
            f"{name} is a class of your own, which a file without pickle cannot hold. Keep the "
            "estimator by pickle.dump or joblib.dump."
        )
    return name


def _written(writer: Writer, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: writer.value(value, name) for name, value in values.items()}


def _read_object(reader: Reader, document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: reader.value(value) for name, value in take(document, key, dict).items()}
