"""What an editor and a type checker see of the estimators, in a user's file."""

import importlib.util
import inspect
import json
import re
import subprocess
import sys
from ast import AnnAssign, ClassDef, FunctionDef, parse
from pathlib import Path

import pytest

import skvae
from skvae.estimators import bases

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
ESTIMATORS = [
    "VAEClassifier",
    "VAEDensity",
    "VAEImputer",
    "VAEOutlierDetector",
    "VAETransformer",
]
HEAD = "import numpy as np\nimport skvae\nX = np.zeros((10, 2))\n"
MISTAKES = [
    "skvae.VAEDensity(latent_dims=2)",
    'skvae.VAEImputer(latent_dim="two")',
    "skvae.VAEClassifier(max_epochs=1.5)",
    'skvae.VAETransformer(activation="sliu")',
    "skvae.VAEDensity().scor_samples(X)",
    "skvae.VAETransformer().fit_transfrom(X)",
    "skvae.VAEOutlierDetector().score_samples()",
    "skvae.VAEDensity().set_callback()",
    "n: int = skvae.VAEDensity().score_samples(X)",
]
RIGHT = """\
from numpy.typing import NDArray
density = skvae.VAEDensity(2, prior=skvae.priors.Mixture(3), hidden_layer_sizes=[16])
scores: NDArray[np.float64] = density.set_params(lr=0.1).fit(X).score_samples(X)
mean: float = density.score(X)
scores = skvae.VAEDensity().set_callbacks().fit(X).score_samples(X)
error: NDArray[np.float64] = density.log_likelihood(X, n_draws=256).standard_error
skvae.VAETransformer((2, 4), objective="mmd").set_output(transform="pandas").fit_transform(X)
skvae.VAEImputer(likelihood={"a": skvae.likelihoods.Gaussian()}).fit(X).transform(X)
skvae.VAEClassifier(class_prior=[0.5, 0.5], categorical_features=["a"]).set_score_request()
flags: NDArray[np.int64] = skvae.VAEOutlierDetector(contamination=0.1).fit_predict(X)
"""


def installed(tool):
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed; pip install skvae[dev]")


def output(*command, cwd):
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True
    ).stdout


def mypy(folder):
    """Return (file, line) of mypy's errors, with skvae read as if installed, and what it said."""
    settings = f"[mypy]\nmypy_path = {ROOT}\nfollow_imports = silent\n"
    # Torch takes half a minute to read, and no line here is about it.
    settings += "[mypy-torch.*]\nfollow_imports = skip\n"
    (folder / "mypy.ini").write_text(settings)
    cache = ROOT / ".mypy_cache" / "editor"
    said = output("mypy", "--cache-dir", cache, "wrong.py", "right.py", cwd=folder)
    return {(m[1], int(m[2])) for m in re.finditer(r"^(\w+\.py):(\d+): error:", said, re.M)}, said


def pyright(folder):
    """Return (file, line) of Pyright's errors, and what it said."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
    said = output("pyright", "--outputjson", "--pythonpath", sys.executable, cwd=folder)
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        for found in json.loads(said)["generalDiagnostics"]
        if found["severity"] == "error"
    }, said


@pytest.mark.parametrize("tool", [mypy, pyright], ids=lambda tool: tool.__name__)
def test_type_checker_flags_every_mistake_and_nothing_else(tool, tmp_path):
    installed(tool.__name__)
    (tmp_path / "wrong.py").write_text(HEAD + "\n".join(MISTAKES) + "\n")
    (tmp_path / "right.py").write_text(HEAD + RIGHT)
    errors, said = tool(tmp_path)
    first = HEAD.count("\n") + 1
    assert errors == {("wrong.py", first + i) for i in range(len(MISTAKES))}, said


def script(text):
    installed("jedi")
    import jedi

    project = jedi.Project(ROOT, sys_path=[str(ROOT), *sys.path], smart_sys_path=False)
    return jedi.Script(text, project=project, environment=jedi.InterpreterEnvironment())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_completion_lists_every_parameter(name):
    (signature,) = script(f"import skvae\nskvae.{name}(").get_signatures()
    assert [p.name for p in signature.params] == list(
        inspect.signature(getattr(skvae, name)).parameters
    )


@pytest.mark.parametrize("name", ESTIMATORS)
def test_hovering_over_a_class_shows_its_docstring(name):
    here = script(f"import skvae\nskvae.{name}")
    docstring = inspect.getdoc(getattr(skvae, name))
    for found in (here.infer(), here.help()):
        assert [part.docstring(raw=True) for part in found] == [docstring]


def test_method_that_is_available_sometimes_has_its_type_and_docstring():
    here = script("import skvae\nscores = skvae.VAEDensity().score_samples([[0.0]])\nscores")
    assert [part.name for part in here.infer()] == ["ndarray"]
    (method,) = here.help(2, len("scores = skvae.VAEDensity().score"))
    assert method.docstring().startswith("score_samples(X: Any) -> NDArray[np.float64]\n\nReturn")


@pytest.mark.parametrize("name", [name for name in bases.__all__ if name[0].isupper()])
def test_stand_in_for_mypy_has_the_methods_of_scikit_learns_class(name):
    if name == "CallbackSupportMixin":
        pytest.importorskip("sklearn.callback")
    stub = parse(Path(bases.__file__).with_name("stand_ins.pyi").read_text())
    (stand_in,) = (n for n in stub.body if isinstance(n, ClassDef) and n.name == name)
    methods = {node.name for node in stand_in.body if isinstance(node, FunctionDef)}
    real = getattr(bases, name)
    assert all(hasattr(real, method) for method in methods)
    public = {method for method in dir(real) if not method.startswith("_")}
    assert public - methods <= {"score"}  # DensityMixin's is a placeholder
    requests = {node.target.id for node in stand_in.body if isinstance(node, AnnAssign)}
    estimators = [getattr(skvae, estimator) for estimator in ESTIMATORS]
    assert all(any(hasattr(e, request) for e in estimators) for request in requests)
