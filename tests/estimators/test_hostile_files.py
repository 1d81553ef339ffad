"""Files that are damaged, cut off, or made to do harm: a ValueError, and no memory taken for it."""

import copy
import json
import pickle
import random
import tracemalloc
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import skvae
from skvae.files import archive

from .kept import fitted

#: What a file is loaded with beside its own bytes: modules and the objects of a small model.
ROOM = 2_000_000


class Largest(TorchDispatchMode):
    """Notes the largest tensor that is made, in bytes; those of the meta device have none."""

    n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not out.is_meta:
            self.n_bytes = max(self.n_bytes, out.untyped_storage().nbytes())
        return out


with Largest():
    torch.zeros(1)  # the first time, torch imports what takes more than any file


@contextmanager
def little_memory(path):
    """Run a block that may take little more memory than a file is large."""
    tracemalloc.start()
    try:
        with Largest() as largest:
            yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        size = path.stat().st_size
        assert largest.n_bytes <= 2 * size
        assert peak <= 20 * size + ROOM


def refused(path, match=None):
    with little_memory(path), pytest.raises(ValueError, match=match) as caught:
        skvae.load(path)
    assert str(path) in str(caught.value)


@pytest.fixture
def saved(tmp_path):
    """Return the path of a file of an estimator."""

    def save(name):
        path = tmp_path / "estimator.skvae"
        fitted(name)[0].save(path)
        return path

    return save


# ---------------------------------------------------------------- bytes


def test_no_file_is_a_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        skvae.load(tmp_path / "none.skvae")


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


BYTES = {
    "empty": b"",
    "text": b"a poem",
    "pickle": pickle.dumps(Bomb()),
    "no header": (2**63).to_bytes(8, "little"),
    "long header": (10**9).to_bytes(8, "little") + b"{}",
    "other file": b"\x02\0\0\0\0\0\0\0{}",
    "nested": (10**6).to_bytes(8, "little") + b"[" * 10**6,
}


@pytest.mark.parametrize("content", BYTES.values(), ids=BYTES)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    refused(path)


def test_a_file_of_torch_is_refused(tmp_path):
    torch.save(Bomb(), tmp_path / "file")
    refused(tmp_path / "file")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(share, saved):
    path = saved("auto")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def test_a_bit_that_flipped_is_seen(saved):
    path = saved("auto")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    refused(path, "damaged: its digest")


def test_a_file_of_a_later_schema_says_so(saved):
    path = saved("auto")
    rewrite(path, lambda d, a: d.update(schema=3))
    refused(path, "has the schema 3, and this version of skvae.*reads up to 2. Install a later one")


def test_text_has_an_end(saved, monkeypatch):
    path = saved("auto")
    monkeypatch.setattr(archive, "MOST_TEXT", 100)
    refused(path, "more than 100")


# ---------------------------------------------------------------- what it says


def rewrite(path, change):
    """Write a file again, digest and all, with a change to its JSON and arrays."""
    document, arrays = archive.read(path)
    document, arrays = copy.deepcopy(document), dict(arrays)
    change(document, arrays)
    archive.write(path, document, arrays)


def put(value, *where):
    """Return a change that puts a value at a place of the JSON."""

    def change(document, arrays):
        for key in where[:-1]:
            document = document[key]
        assert isinstance(document, list) or where[-1] in document
        document[where[-1]] = value

    return change


def array(name, make):
    """Return a change to an array."""

    def change(document, arrays):
        arrays[name] = make(arrays[name])

    return change


def stream(position):
    return lambda d, a: d["fitted"]["_sample_stream"]["stream"].__setitem__(1, position)


def deep(document, arrays):
    value = []
    for _ in range(400):
        value = [value]
    document["fitted"]["loss_curve_"] = value


PLAN = ("model", "blueprint")
WEIGHT = "vae.decoder.body.hidden.0.weight"
RECIPE = {"recipe": ["posix.system", {}]}
HOSTILE = {
    "other estimator": put("Popen", "estimator"),
    "estimator by path": put("skvae.estimators.density.VAEDensity", "estimator"),
    "schema in words": put("1", "schema"),
    "other kind": put("checkpoint", "kind"),
    "unknown parameter": lambda d, a: d["parameters"].update(mine=1),
    "path of a checkpoint": put("/etc/passwd", "parameters", "checkpoint"),
    "parameter of a wrong kind": put([], "parameters", "n_draws"),
    "callback": put([1], "parameters", "encoder"),
    "unknown recipe": put(RECIPE, *PLAN, "prior"),
    "recipe of another kind": put({"recipe": ["priors.Vamp", {}]}, *PLAN, "posterior"),
    "class for a recipe": put({"class": "priors.Vamp"}, *PLAN, "prior"),
    "unknown field": put({"recipe": ["priors.Vamp", {"build": 1}]}, "parameters", "prior"),
    "unknown tag": put({"eval": "1"}, "fitted", "init_"),
    "two tags": put({"tuple": [], "dict": []}, "fitted", "init_"),
    "number beyond": put({"number": ["<f4", "x"]}, "fitted", "n_iter_"),
    "deep": deep,
    "many latents": put(10**6, *PLAN, "n_latent"),
    "latents beyond": put(10**12, *PLAN, "n_latent"),
    "wide": put([10**6, 10**6], *PLAN, "hidden_layer_sizes"),
    "negative": put([-5], *PLAN, "hidden_layer_sizes"),
    "many layers": put([1] * 10**4, *PLAN, "hidden_layer_sizes"),
    "much context": put(10**7, *PLAN, "n_context"),
    "components": put({"recipe": ["priors.Mixture", {"n_components": 10**7}]}, *PLAN, "prior"),
    "inputs": put({"recipe": ["priors.Vamp", {"n_components": 10**7}]}, *PLAN, "prior"),
    "transforms": put({"recipe": ["priors.FlowPrior", {"n_transforms": 10**7}]}, *PLAN, "prior"),
    "wide flow": put(
        {"recipe": ["priors.FlowPrior", {"hidden_layer_sizes": [10**6, 10**6]}]}, *PLAN, "prior"
    ),
    "images": put([1000, 1000, 1000], *PLAN, "image_shape"),
    "channels": put(
        {"recipe": ["networks.Convolutional", {"channels": [10**7]}]}, *PLAN, "encoder"
    ),
    "rank": put({"recipe": ["networks.CorrelatedNoise", {"rank": 10**9}]}, *PLAN, "decoder"),
    "activation": put("os.system", *PLAN, "activation"),
    "frozen": put(["__class__"], "model", "frozen"),
    "half": put("float16", "model", "dtype"),
    "column twice": put([0, 0, 1, 2], "model", "blocks", 0, "index"),
    "column that is not": put([0, 1, 2, 99], "model", "blocks", 0, "index"),
    "column before the first": put([-1, 1, 2, 3], "model", "blocks", 0, "index"),
    "no blocks": put([], "model", "blocks"),
    "shape": array(WEIGHT, lambda w: w[:, :-1]),
    "dtype": array(WEIGHT, lambda w: w.astype("float64")),
    "order": array("vae.decoder.cells.order", lambda order: order + 10**9),
    "tensor too many": lambda d, a: a.update({"vae.other": np.zeros(3, "float32")}),
    "tensor too few": lambda d, a: a.pop(WEIGHT),
    "no statistics": lambda d, a: a.pop("block.0.mean"),
    "stream": stream(10**9),
    "stream before the first": stream(-1),
    "seeds": put(-1, "seeds", "scoring"),
    "other seeds": lambda d, a: d["seeds"].update(mine=1),
    "role": put("system", "table", "fields", 0, "role"),
    "level twice": put(["a", "a"], "table", "fields", 0, "levels"),
    "positions": put([0, 1, 2, 10**9], "table", "positions"),
    "dtype of arrays": put(["|V1000000000"], "table", "dtypes"),
    "dtype of strings": put(["<U1000000000"], "table", "dtypes"),
    "backend": put("os", "table", "backend"),
    "support": put("os", "table", "codecs", 0, "support"),
    "codec": put("pickle", "table", "codecs", 0, "codec"),
    "units": array("array.0", np.zeros_like),
    "resolution": put("vae.prior", "table", "resolution"),
    "built by": put({}, "built_by"),
    "one array for many": lambda d, a: d["table"].update(codecs=[d["table"]["codecs"][0]] * 10**4),
    "copies": put([{"array": WEIGHT}] * 10**4, "fitted", "loss_curve_"),
    "streams": lambda d, a: d["fitted"].update(loss_curve_=[d["fitted"]["_sample_stream"]] * 10**4),
    "nothing": lambda d, a: d.clear(),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(change, saved):
    path = saved("auto")
    rewrite(path, change)
    refused(path)


def labels(value):
    return put({"index": ["plain", [None], None, value, None]}, "table", "labels")


FRAMES = {
    "zone by path": put([["pandas.datetime", "ns", "../../etc/passwd"]], "table", "dtypes"),
    "zone by file": put([["pandas.datetime", "ns", "dateutil//etc/passwd"]], "table", "dtypes"),
    "unknown dtype": put([["pandas.eval", "1"]], "table", "dtypes"),
    "labels": labels(["a"]),
    "labels without a hash": labels([[1]] * 18),
    "many labels": put({"index": ["range", [None], None, [0, 10**12], None]}, "table", "labels"),
    "no labels": put(None, "table", "labels"),
    "categories": put({"values": ["|O", [10**9], []]}, "fitted", "feature_names_in_"),
    "wide strings": put({"values": ["<U999999", [1], ["a"]]}, "parameters", "callbacks"),
    "long strings": put({"values": ["<U9999", [999], [""] * 999]}, "parameters", "callbacks"),
    "period": put({"period": [1, "__import__('os')"]}, "fitted", "init_"),
    "clock": put({"unit": "os"}, "table", "fields", 0, "clock"),
}


@pytest.mark.parametrize("change", FRAMES.values(), ids=FRAMES)
def test_a_hostile_file_of_a_frame_is_refused(change, saved):
    path = saved("pandas")
    rewrite(path, change)
    refused(path)


def fact(name, make):
    """Return a change to what the relation learned that has a fact."""

    def change(document, arrays):
        at = next(r["facts"] for r in document["relations"] if name in r["facts"])[name]
        arrays[at] = make(arrays[at])

    return change


def identity(change):
    return lambda d, a: change(next(f["identity"] for f in d["table"]["fields"] if f["identity"]))


RELATED = {
    "keys": fact("keys", lambda x: x[::-1]),
    "levels": fact("images", lambda x: x + 99),
    "order": fact("order", lambda x: x + 1),
    "ends": fact("ends", lambda x: x[::-1]),
    "counts": fact("counts", lambda x: -x),
    "pairs": fact("low", lambda x: x[:-1]),
    "relation": put({"relation": ["system", {}]}, "relations", 0, "relation"),
    "relation that is none": put(1, "relations", 0, "relation"),
    "refused": put({"relation": ["Refused", {"relation": 1}]}, "relations", 0, "relation"),
    "column": put({"relation": ["Order", {"low": "x", "high": "y"}]}, "relations", 0, "relation"),
    "field": put({"relation": ["Order", {"lower": "x"}]}, "parameters", "relations"),
    "exceptions": put(10**9, "relations", 0, "exceptions"),
    "holes": lambda d, a: a.update({d["holes"][0]["share"]: a[d["holes"][0]["share"]] + 2.0}),
    "latents of holes": lambda d, a: a.update({d["holes"][0]["weight"]: np.zeros((3, 3))}),
    "members of holes": put([], "holes"),
    "no places": identity(lambda i: i["shapes"][0][0].__setitem__(0, "")),
    "no shapes": identity(lambda i: i.update(shapes=[])),
    "identifiers without a shape": identity(lambda i: i.clear()),
}


@pytest.mark.parametrize("change", RELATED.values(), ids=RELATED)
def test_a_hostile_file_of_relations_is_refused(change, saved):
    path = saved("related")
    rewrite(path, change)
    refused(path)


def test_constants_that_json_does_not_have_are_refused(saved):
    path = saved("auto")
    document, arrays = archive.read(path)
    for text in ("NaN", "9" * 5_000):
        put("here", "fitted", "n_iter_")(document, arrays)
        changed = json.dumps(document).replace('"here"', text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive.json, "dumps", lambda *args, text=changed, **kwargs: text)
            archive.write(path, document, arrays)
        refused(path)


# ---------------------------------------------------------------- mutations

KINDS = (
    "auto",
    "pandas in context",
    "related",
    "few labels",
    "flow",
    "images",
    "two layers",
    "detector",
)
VALUES = (None, True, -1, 0, 1, 7, 10**9, 10**30, 0.5, "x", "0", [], {}, [[]], {"tuple": []})
VALUES += ({"float": "nan"}, {"dict": []}, {"number": ["<f4", 1.0]}, {"array": "array.0"}, RECIPE)


def places(node, path=()):
    """Yield the paths of all values of a JSON object."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def at(node, path):
    for key in path:
        node = node[key]
    return node


def mutate_values(document, arrays, source):
    """Change a value of the JSON, or an array."""
    paths = list(places(document))
    path, how = source.choice(paths), source.random()
    parent = at(document, path[:-1])
    if how < 0.5:
        parent[path[-1]] = copy.deepcopy(source.choice(VALUES))
    elif how < 0.65:
        del parent[path[-1]]
    elif how < 0.8:
        parent[path[-1]] = copy.deepcopy(at(document, source.choice(paths)))
    else:
        name = source.choice(list(arrays))
        full = arrays[name]
        changed = (full.ravel()[:-1], full.astype(bool), np.zeros_like(full), full.T)
        arrays[name] = source.choice(changed)


def mutate_bytes(content, source):
    """Change, drop or double some bytes."""
    place, n = source.randrange(len(content)), source.choice([1, 1, 8, 100])
    if source.random() < 0.5:
        new = source.randbytes(n)
        return content[:place] + new + content[place + n :]
    part = content[place : place + n]
    return content[:place] + (part * source.choice([0, 2])) + content[place + n :]


@pytest.mark.filterwarnings("ignore:X has feature names")  # of a file that lost its own
@pytest.mark.parametrize("n", [150, pytest.param(2_000, marks=pytest.mark.slow)])
def test_a_mutated_file_is_refused_or_works(n, tmp_path):
    source, loads = random.Random(n), 0
    changed = tmp_path / "changed"
    for kind in KINDS:
        fitted(kind)[0].save(tmp_path / kind)
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        whole, X = tmp_path / kind, fitted(kind)[1]
        if i % 3 == 0:
            changed.write_bytes(mutate_bytes(whole.read_bytes(), source))
        else:
            document, arrays = archive.read(whole)
            mutate_values(document, arrays, source)
            archive.write(changed, document, arrays)
        try:
            with nullcontext() if i % 4 else little_memory(changed):  # which takes its time
                loaded = skvae.load(changed)
            loads += 1
            loaded.score_samples(X[:1])
        except ValueError:
            continue
    assert loads < n / 2
