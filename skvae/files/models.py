"""Models: a VAE as what it is built by and its tensors, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..core.blueprint import Blueprint
from ..core.build import assembled
from ..core.cells import Columns
from ..core.families.base import Family, Statistics
from ..core.images import Convolutional, ImageShape
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import ACTIVATIONS, CorrelatedNoise
from ..core.recipe import Recipe
from ..core.vae import VAE
from .checks import check, listed, take
from .values import Reader, Writer

#: The names of the tensors of a model begin so, and those of what is known of its blocks; before
#: them stands which member of an ensemble it is, but of the first.
MODEL, BLOCK = "vae.", "block."
#: Of networks.
DTYPES = {"float32": torch.float32, "float64": torch.float64}
STATISTICS = [field.name for field in dataclasses.fields(Statistics)]
#: What a blueprint may hold for each of its recipes.
PARTS: dict[str, tuple[type[Recipe], ...]] = {
    "prior": (Prior,),
    "posterior": (Posterior,),
    "refitted": (Prior,),
    "encoder": (Convolutional,),
    "decoder": (Convolutional, CorrelatedNoise),
}
Json = dict[str, Any]


class _Shapes(TorchFunctionMode):
    """New tensors of a size are on the meta device: they have a shape and no memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.tril_indices:  # of which the meta device would import a compiler
            func, args = torch.empty, (2, args[0] * (args[0] - 1) // 2)
        meta = {"device": "meta"} if func is torch.empty else {}
        return func(*args, **{**(kwargs or {}), **meta})


# ---------------------------------------------------------------- write


def written_vae(writer: Writer, vae: VAE, member: int = 0) -> Json:
    """Return a VAE, a member of an ensemble perhaps, as JSON.

    Raises
    ------
    TypeError
        If a part of it is a user's own, or was put there after it was built.
    """
    plan = vae.blueprint
    for name in ("encoder", "decoder"):
        if isinstance(getattr(plan, name), nn.Module):
            raise TypeError(
                f"{name} is a module of your own, of type {type(getattr(plan, name)).__name__}, "
                "which a file without pickle cannot hold. Keep the estimator by pickle.dump or "
                "joblib.dump."
            )
    dtypes = {str(p.dtype).removeprefix("torch.") for p in vae.parameters()}
    if len(dtypes) != 1 or not dtypes <= set(DTYPES):
        raise TypeError(
            f"The networks have the dtypes {sorted(dtypes)}, but a file holds those of one, "
            f"{' or '.join(DTYPES)}. Convert them: vae_.float()."
        )
    if _parts(_shapes(plan, [block.columns for block in vae.cells.parts])) != _parts(vae):
        raise TypeError(
            "Parts of the networks were changed after fit, which a file without pickle cannot "
            "hold. Keep the estimator by pickle.dump or joblib.dump."
        )
    for name, tensor in vae.state_dict().items():
        writer.array(_numpy(tensor), _of(member, MODEL) + name)
    return {
        "blueprint": _written_blueprint(writer, plan),
        "dtype": min(dtypes),
        "blocks": [
            _written_block(writer, f"{_of(member, BLOCK)}{i}.", block.columns)
            for i, block in enumerate(vae.cells.parts)
        ],
        "frozen": [name for name, p in vae.named_parameters() if not p.requires_grad],
    }


def _of(member: int, prefix: str) -> str:
    """Return how names of what a member has begin."""
    return f"member.{member}.{prefix}" if member else prefix


def _written_block(writer: Writer, prefix: str, columns: Columns) -> Json:
    of, floor = columns.known()
    for name in STATISTICS:
        writer.array(_numpy(getattr(of, name).double()), prefix + name)
    writer.array(_numpy(floor.double()), prefix + "floor")
    if columns.ends is not None:
        writer.array(_numpy(columns.ends.double()), prefix + "ends")
    return {"index": [int(j) for j in columns.index], "has_ends": columns.ends is not None}


def _written_blueprint(writer: Writer, plan: Blueprint) -> Json:
    values = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    sizes = {"hidden_layer_sizes": list(plan.hidden_layer_sizes)}
    if plan.image_shape is not None:
        sizes["image_shape"] = list(plan.image_shape)
    return {name: writer.value(value, name) for name, value in (values | sizes).items()}


def _parts(vae: VAE) -> list[tuple[str, Any]]:
    """Return what a model is made of: its modules, and the shapes of its tensors."""
    modules = [(name, type(part)) for name, part in vae.named_modules()]
    return [*modules, *((name, tuple(t.shape)) for name, t in vae.state_dict().items())]


def _numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(tensor.detach().cpu().numpy())


# ---------------------------------------------------------------- read


def read_vae(
    reader: Reader,
    found: Json,
    families: Sequence[Family],
    n_levels: list[int],
    member: int = 0,
) -> VAE:
    """Return a VAE on the CPU, for columns of some families and so many levels.

    Its tensors are compared with what it must have before memory is taken for any.
    """
    plan = _read_blueprint(reader, check(found.get("blueprint"), dict, "a blueprint"))
    prefix = _of(member, MODEL)
    names = {name.removeprefix(prefix) for name in reader.arrays if name.startswith(prefix)}
    n_numbers = sum(array.size for array in reader.arrays.values())
    _refuse_large(plan, n_numbers, len(names))
    blocks = [
        _read_block(reader, f"{_of(member, BLOCK)}{i}.", block, families, n_levels)
        for i, block in enumerate(listed(found.get("blocks"), dict, "blocks"))
    ]
    if sorted(j for block in blocks for j in block.index) != list(range(len(families))):
        raise ValueError("its blocks do not have every column once")
    shape = plan.image_shape
    if shape is not None and shape.n_pixels != len(families):
        raise ValueError(f"images of shape {tuple(shape)} do not have {len(families)} columns")
    if shape is not None and max(n_levels) * len(families) > 16 * n_numbers:
        raise ValueError("its images have more levels than the file")
    dtype = DTYPES[take(found, "dtype", str)]
    state = _read_state(reader, prefix, _shapes(plan, blocks).state_dict(), names, dtype)
    vae = assembled(plan, blocks).to(dtype)
    vae.load_state_dict(state)
    parameters = dict(vae.named_parameters())
    for name in listed(found.get("frozen"), str, "frozen"):
        parameters[name].requires_grad_(False)
    return vae.eval()


def _shapes(plan: Blueprint, columns: Sequence[Columns]) -> VAE:
    """Return a model as it is built, its parameters without memory."""
    with _Shapes():
        return assembled(plan, columns)


def _read_state(
    reader: Reader, prefix: str, wanted: dict[str, Tensor], names: set[str], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return the tensors of a model, if they are those wanted."""
    if names != set(wanted):
        raise ValueError(f"its tensors are not those of the model: {min(names ^ set(wanted))}")
    state = {}
    for name, like in wanted.items():
        tensor = torch.from_numpy(reader.array(prefix + name, tuple(like.shape)))
        if tensor.dtype != (dtype if like.dtype.is_floating_point else like.dtype):
            raise ValueError(f"tensor {name} has the dtype {tensor.dtype}")
        if not like.dtype.is_floating_point and not like.is_meta and (tensor != like).any():
            raise ValueError(f"tensor {name} is not that of the columns")
        state[name] = tensor
    return state


def _read_block(
    reader: Reader, prefix: str, found: Json, families: Sequence[Family], n_levels: list[int]
) -> Columns:
    index = listed(found.get("index"), int, "a block")
    if not index or not all(0 <= j < len(families) for j in index):
        raise ValueError("a block has columns that there are not")
    family, levels = families[index[0]], [n_levels[j] for j in index]
    if any(families[j] != family for j in index):
        raise ValueError("a block has columns of several families")
    names = [prefix + name for name in STATISTICS]
    shapes = [(len(index), None)] * 2 + [(len(index),)] * 2 + [(len(index), max(levels))]
    arrays = [reader.floats(name, shape) for name, shape in zip(names, shapes, strict=True)]
    if arrays[0].shape != arrays[1].shape or arrays[0].shape[1] not in (1, max(levels)):
        raise ValueError(f"{prefix}features are of another number")
    of = Statistics(*(torch.from_numpy(array) for array in arrays))
    floor, ends = reader.floats(prefix + "floor", (len(index),)), None
    if take(found, "has_ends", bool):
        ends = torch.from_numpy(reader.floats(prefix + "ends", (2, len(index))))
    return Columns(family, index, levels, of, torch.from_numpy(floor), ends)


def _read_blueprint(reader: Reader, found: Json) -> Blueprint:
    fields = {field.name for field in dataclasses.fields(Blueprint)}
    if unknown := set(found) - fields:
        raise ValueError(f"there is no part {min(unknown)!r} of a model")
    values = {name: reader.value(value) for name, value in found.items()}
    for name, kinds in PARTS.items():
        if values.get(name) is not None and not isinstance(values[name], kinds):
            raise ValueError(f"{name} is no recipe for one")
    if values.get("image_shape") is not None:
        values["image_shape"] = ImageShape(*_sizes(values["image_shape"], "image_shape", 3))
    elif any(isinstance(values.get(name), Convolutional) for name in ("encoder", "decoder")):
        raise ValueError("its networks are of images, but its rows are not")
    values["hidden_layer_sizes"] = tuple(_sizes(values["hidden_layer_sizes"], "hidden layers"))
    n_latent = values["n_latent"]
    _sizes([n_latent] if isinstance(n_latent, int) else list(n_latent), "n_latent")
    if isinstance(n_latent, tuple) and len(n_latent) != 2:
        raise ValueError("n_latent is of more than two layers")
    check(values["n_context"], int, "n_context")
    for name in ("masked", "has_encoder", "deterministic"):
        check(values[name], bool, name)
    if values["activation"] not in ACTIVATIONS or not 0.0 <= values["dropout"] < 1.0:
        raise ValueError("the layers of the networks are none")
    return Blueprint(**values)


def _sizes(sizes: Any, what: str, n: int | None = None) -> list[int]:
    """Return positive integers."""
    if min(listed(list(sizes), int, what, n), default=1) < 1:
        raise ValueError(f"{what} has a size below 1")
    return list(sizes)


def _refuse_large(plan: Blueprint, n_numbers: int, n_tensors: int) -> None:
    """Raise ValueError where a model must have more tensors, or larger ones, than a file has.

    By what is made of sizes before there are shapes to compare: masks of flows, and modules.
    """
    many = [*_counts(plan), len(plan.hidden_layer_sizes)]
    large = [plan.n_context, plan.n_seen, plan.n_above, *plan.hidden_layer_sizes]
    for recipe in (plan.prior, plan.posterior, plan.refitted):
        sizes = list(getattr(recipe, "hidden_layer_sizes", []))
        if sizes or hasattr(recipe, "n_transforms"):
            n_latent = plan.n_seen + plan.n_above
            large += [one * two for one, two in pairwise([n_latent, *sizes, n_latent])]
        many += [len(sizes), getattr(recipe, "n_transforms", 0)]
    if max(many) > n_tensors or max(large) > n_numbers:
        raise ValueError("its model has more parameters than the file")


def _counts(plan: Blueprint) -> Iterator[int]:
    """Return how many parts the recipes of networks ask for."""
    yield 0
    for recipe in (plan.encoder, plan.decoder):
        if isinstance(recipe, Convolutional):
            yield len(recipe.channels)
            yield recipe.n_blocks
