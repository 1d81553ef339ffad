"""Progress: a total that is the truth, and a line a stage."""

import copy

from sklearn.datasets import load_iris
from skorch.callbacks import Callback

from skvae import VAEDensity
from skvae.fit import progress as module
from skvae.fit.progress import Listener, Progress

IRIS = load_iris().data


class FakeBar:
    """What a bar was told."""

    def __init__(self, **parameters):
        self.total, self.n, self.names = 0, 0, []
        self.seen = []

    def set_description_str(self, name, refresh):
        self.names.append(name)

    def set_postfix_str(self, text, refresh):
        self.seen.append((self.n, self.total))

    def close(self):
        self.closed = True


def test_the_total_is_what_is_known_of_it(monkeypatch):
    monkeypatch.setattr(module, "progress_bar", FakeBar)
    progress = Progress(1)
    progress.begin("columns")
    progress.expect([100, 100, 100])
    progress.begin("one", 100)
    progress.end_epoch(60, 100, "", now=None)
    progress.begin("two", 100)  # the first ended early
    progress.end_epoch(100, 100, "", now=None)
    progress.begin("again", 40)
    progress.end_epoch(40, 40, "", now=None)
    progress.close()
    assert progress.bar.seen[1:] == [
        (0, 300),
        (60, 300),
        (60, 260),
        (160, 260),
        (160, 200),
        (200, 200),
        (200, 200),
    ]


def test_a_fit_shows_its_stages(monkeypatch):
    bars = []
    monkeypatch.setattr(module, "progress_bar", lambda **kw: bars.append(FakeBar()) or bars[-1])
    VAEDensity(2, hidden_layer_sizes=(8,), max_epochs=12, random_state=0, verbose=1).fit(IRIS)
    (bar,) = bars
    assert list(dict.fromkeys(bar.names)) == [
        "columns",
        "start",
        "training from the linear start",
        "training from the random start",
        "fitting again",
        "fit",
    ]
    assert bar.n == bar.total == bar.seen[-1][0] > 80
    assert bar.closed


def test_a_line_a_stage(capsys):
    VAEDensity(2, hidden_layer_sizes=(8,), max_epochs=4, random_state=0, verbose=2).fit(IRIS)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("training from the linear start: 16 steps, held-out ")


def test_a_copy_that_a_callback_makes_of_the_net_tells_nobody(capsys):
    class Copying(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.listener = copy.deepcopy(net).listener_

    copying = Copying()
    VAEDensity(2, hidden_layer_sizes=(8,), max_epochs=1, verbose=1, callbacks=[copying]).fit(IRIS)
    assert type(copying.listener) is Listener
