"""Page: a report as HTML that needs no other file, and reads on a phone.

Every name and level passes through :func:`escaped`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape
from typing import Any

import numpy as np

from .distances import shares
from .findings import Findings, mean, missing_shares
from .tables import Compared, Float

#: Columns shown at once, pairs shown, levels of a column, and bins of one of numbers.
N_CARDS, N_PAIRS, N_LEVELS, N_BINS = 12, 10, 8, 24
#: Characters of a name or a level that are shown.
LONGEST = 60
WIDTH, HEIGHT = 288, 72
#: Beyond it a half is no longer between two integers.
FARTHEST_WHOLE = 1e15

STYLE = """
:root{color-scheme:light dark;--ink:#1d2129;--soft:#667085;--line:#e4e7ec;--card:#fff;
--page:#f7f8fa;--real:#98a2b3;--drawn:#c2410c;--good:#067647;--fair:#b54708;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#98a2b3;--line:#2f3540;
--card:#1b1f27;--page:#12151b;--real:#8a94a6;--drawn:#fb923c;--good:#4ade80;--fair:#fbbf24;
--bad:#f87171}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1060px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1rem;font-weight:600;color:var(--soft);margin:0 0 6px}
h2{font-size:1.1rem;margin:36px 0 4px}
p{margin:4px 0 12px;max-width:46em}
.verdict{font-size:1.4rem;line-height:1.3;font-weight:600;margin:0 0 8px}
.good{color:var(--good)}.fair{color:var(--fair)}.bad{color:var(--bad)}
.soft{color:var(--soft);font-size:.9rem}
.grid{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,288px),1fr))}
.tiles{grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px;
min-width:0}
.card b{display:block;overflow-wrap:anywhere}
.n{font-variant-numeric:tabular-nums}
.big{font-size:1.5rem;font-weight:600;display:block}
.head{display:flex;gap:10px;justify-content:space-between;align-items:baseline}
.track{height:4px;border-radius:2px;background:var(--line);margin:6px 0 10px}
.track i{display:block;height:4px;border-radius:2px;background:var(--drawn)}
svg{display:block;width:100%;height:auto}
.level{display:grid;grid-template-columns:minmax(0,38%) 1fr;gap:0 8px;font-size:.85rem;
align-items:center;margin-top:3px}
.level span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bar{height:6px;border-radius:2px;margin:1px 0;min-width:1px}
.bar.real,.key.real{background:var(--real)}.bar.drawn,.key.drawn{background:var(--drawn)}
.key{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 0}
.ends{display:flex;justify-content:space-between;gap:8px}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);
border-radius:10px}
td,th{padding:7px 12px;text-align:left;border-top:1px solid var(--line);overflow-wrap:anywhere}
th{border-top:0;font-size:.85rem;color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;white-space:nowrap}
li{margin:6px 0;overflow-wrap:anywhere;max-width:46em}
summary{cursor:pointer;margin:14px 0;color:var(--soft)}
ul{padding-left:20px}
"""


def page(report: Findings) -> str:
    """Return a report as a page."""
    body = [
        "<h1>Synthetic table, judged</h1>",
        f'<p class="verdict {report.mood}">{escaped(report.verdict, None)}</p>',
        f'<p class="soft">{_n(report.n_synthetic)} drawn rows beside {_n(report.n_real)} real '
        f"ones, {_n(len(report.columns))} columns. {_of_holdout(report)}</p>",
        _tiles(report),
        _advice(report),
        _columns(report),
        _pairs(report),
        _relations(report),
        _privacy(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Synthetic table, judged</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def framed(html: str) -> str:
    """Return a page within a frame of its own."""
    return (
        f'<iframe srcdoc="{escape(html)}" sandbox title="Synthetic table, judged" '
        'style="width:100%;height:640px;border:1px solid #8884;border-radius:8px"></iframe>'
    )


def escaped(text: Any, longest: int | None = LONGEST) -> str:
    """Return a name or a level as HTML shows it, cut where it is long."""
    shown = text if isinstance(text, str) else str(text)
    if longest is not None and len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return escape(shown) if shown.strip() else "(blank)"


def _n(number: int) -> str:
    return f"{number:,}"


def _f(number: float) -> str:
    return f"{number:.3f}"


def _of_holdout(report: Findings) -> str:
    if not report.n_holdout:
        return ""
    return f"{_n(report.n_holdout)} held-out real rows are the yardstick."


def _tile(name: str, figure: str, note: str) -> str:
    return (
        f'<div class="card"><span class="soft">{name}</span>'
        f'<span class="big n">{figure}</span><span class="soft">{note}</span></div>'
    )


def _tiles(report: Findings) -> str:
    auc = "-" if report.auc is None else _f(report.auc)
    tiles = [_tile("told from real rows", auc, "AUC; 0.5 is a guess, 1 always")]
    for name, found, floor in (
        ("columns", report.columns, report.holdout_columns),
        ("pairs", report.pairs, report.holdout_pairs),
    ):
        if found:
            beside = f"; of held-out rows {_f(mean(floor))}" if floor else ""
            tiles.append(_tile(name, _f(mean(found)), f"mean distance, 0 to 1{beside}"))
    if report.advantage is not None:
        tiles.append(_tile("membership", _f(report.advantage), "advantage; 0 is a guess"))
    return f'<div class="grid tiles">{"".join(tiles)}</div>'


def _advice(report: Findings) -> str:
    lines = "".join(f"<li>{escaped(line, None)}</li>" for line in report.advice)
    return f"<h2>What to do</h2><ul>{lines}</ul>"


def _columns(report: Findings) -> str:
    order = sorted(report.compared, key=lambda column: -report.columns[column.name])
    cards = [_card(column, report.columns[column.name]) for column in order]
    rest = cards[N_CARDS:]
    more = (
        f"<details><summary>{_n(len(rest))} more columns, closer to the real ones</summary>"
        f'<div class="grid">{"".join(rest)}</div></details>'
        if rest
        else ""
    )
    return (
        '<h2>Columns</h2><p class="soft">The farthest first. The distance is the largest '
        "difference between the probabilities of a set of values: 0 is equal, 1 is nothing in "
        'common. <span class="key real"></span>real <span class="key drawn"></span>drawn</p>'
        f'<div class="grid">{"".join(cards[:N_CARDS])}</div>{more}'
    )


def _card(column: Compared, distance: float) -> str:
    body = _levels(column) if column.is_discrete else _histogram(column)
    return (
        f'<div class="card"><div class="head"><b>{escaped(column.name)}</b>'
        f'<span class="n">{_f(distance)}</span></div>'
        f'<div class="track"><i style="width:{100 * distance:.1f}%"></i></div>'
        f"{body}{_missing(column)}</div>"
    )


def _missing(column: Compared) -> str:
    real, drawn = missing_shares(column)
    if not (real or drawn):
        return ""
    return f'<div class="soft n">missing {real:.1%}, drawn {drawn:.1%}</div>'


def _levels(column: Compared) -> str:
    real, drawn = (shares(part, len(column.levels))[:-1] for part in column.parts)
    order = np.argsort(-(real + drawn), kind="stable")
    shown, most = order[:N_LEVELS], max(real.max(), drawn.max(), 1e-9)
    lines = [_level(column.levels[k], real[k], drawn[k], most) for k in shown]
    rest = len(order) - len(shown)
    more = f'<div class="soft">and {_n(rest)} more</div>' if rest else ""
    return "".join(lines) + more


def _level(level: Hashable, real: float, drawn: float, most: float) -> str:
    bars = "".join(
        f'<div class="bar {kind}" style="width:{100 * share / most:.1f}%"></div>'
        for kind, share in (("real", real), ("drawn", drawn))
    )
    title = f"{escaped(level, 500)}: {real:.1%} real, {drawn:.1%} drawn"
    return (
        f'<div class="level" title="{title}"><span>{escaped(level)}</span><div>{bars}</div></div>'
    )


def _histogram(column: Compared) -> str:
    """Return histograms of numbers: filled for the real rows, a line for the drawn ones."""
    parts = [part[~np.isnan(part)] for part in column.parts]
    edges = _edges(np.concatenate(parts))
    if edges is None:
        return ""
    heights = [
        np.histogram(part.clip(edges[0], edges[-1]), edges)[0] / max(len(part), 1) for part in parts
    ]
    most = max(h.max() for h in heights) or 1.0
    real, drawn = (_steps(h / most) for h in heights)
    low, high = (escaped(_shown(column, x)) for x in _ends(np.concatenate(parts), edges))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="histograms">'
        f'<path d="M0 {HEIGHT}{real}V{HEIGHT}Z" fill="var(--real)" opacity=".55"/>'
        f'<path d="M0 {HEIGHT}{drawn}V{HEIGHT}" fill="none" stroke="var(--drawn)" '
        'stroke-width="2" stroke-linejoin="round"/></svg>'
        f'<div class="soft ends n"><span>{low}</span><span>{high}</span></div>'
    )


def _edges(values: Float) -> Float | None:
    """Return edges of equal bins, without the few values that are far off."""
    if not len(values):
        return None
    low, high = np.quantile(values, [0.005, 0.995])
    inside = np.unique(values[(values >= low) & (values <= high)])
    whole = len(inside) > 0 and np.abs(inside).max() < FARTHEST_WHOLE
    if whole and high - low < N_BINS and (inside == np.round(inside)).all():
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0)
    if not high > low:
        return None
    return np.linspace(low, high, min(max(len(inside), 2), N_BINS) + 1)


def _ends(values: Float, edges: Float) -> tuple[float, float]:
    """Return the smallest and the largest value that a histogram shows apart from others."""
    inside = values[(values >= edges[0]) & (values <= edges[-1])]
    inside = inside if len(inside) else edges
    return float(inside.min()), float(inside.max())


def _steps(heights: Sequence[float] | Float) -> str:
    """Return the path of steps, from the left end to the right one."""
    width = WIDTH / len(heights)
    path = [
        f"V{HEIGHT - (HEIGHT - 3) * h:.1f}H{width * (k + 1):.1f}" for k, h in enumerate(heights)
    ]
    return "".join(path)


def _shown(column: Compared, number: float) -> str:
    """Return a number of a column as its user writes it."""
    if column.field.clock is not None:
        return str(column.field.values(np.array([np.round(number)]))[0]).replace("T", " ")
    return f"{number:,.0f}" if 1e3 <= abs(number) < 1e9 else f"{number:.4g}"


def _pairs(report: Findings) -> str:
    if not report.pairs:
        return ""
    worst = sorted(report.pairs.items(), key=lambda item: -item[1])[:N_PAIRS]
    floors = report.holdout_pairs
    head = '<th class="n">held out</th>' if floors else ""
    rows = "".join(
        f'<tr><td>{escaped(one)} · {escaped(other)}</td><td class="n">{_f(distance)}</td>'
        + (f'<td class="n">{_f(floors[one, other])}</td>' if floors else "")
        + "</tr>"
        for (one, other), distance in worst
    )
    return (
        '<h2>Pairs</h2><p class="soft">The pairs that hang together most differently: half the '
        "difference of correlations of two numbers, else the total variation distance of pairs of "
        "values.</p>"
        f'<table><tr><th>columns</th><th class="n">distance</th>{head}</tr>{rows}</table>'
    )


def _relations(report: Findings) -> str:
    if not report.relations:
        return ""
    worst = sorted(report.relations.items(), key=lambda item: item[1].synthetic - item[1].real)
    rows = "".join(
        f'<tr><td>{escaped(name)}</td><td class="n">{_f(kept.synthetic)}</td>'
        f'<td class="n">{_f(kept.real)}</td></tr>'
        for name, kept in worst[:N_PAIRS]
    )
    return (
        '<h2>Relations</h2><p class="soft">The share of rows in which they hold.</p>'
        f'<table><tr><th>relation</th><th class="n">drawn</th><th class="n">real</th></tr>{rows}'
        "</table>"
    )


def _privacy(report: Findings) -> str:
    found = report.closest
    if found is None or report.advantage is None:
        return (
            "<h2>Privacy</h2><p>Not measured: it takes real rows that the model was not fitted to "
            "(holdout).</p>"
        )
    rows = [
        ("drawn rows closer to the real table than to held-out rows", found.share, "0.5"),
        ("drawn rows that are copies of real ones", found.copies, _f(found.copies_held_out)),
        ("advantage of an attacker who has the drawn rows", report.advantage, "0"),
    ]
    lines = "".join(
        f'<tr><td>{name}</td><td class="n">{_f(figure)}</td><td class="n">{harmless}</td></tr>'
        for name, figure, harmless in rows
    )
    return (
        '<h2>Privacy</h2><table><tr><th>measure</th><th class="n">here</th>'
        f'<th class="n">harmless</th></tr>{lines}</table>'
        '<p class="soft">Such figures find copies. They are no guarantee: a stronger attack may '
        "tell more, and rows that stick out are at greater risk than the average.</p>"
    )
