"""Fine dust in Beijing, the next six hours given the last day, by a density with a context.

Hourly PM2.5 from 2010 to 2014 (``--data FOLDER``). A row is a time: the six hours to come, and as
context the 24 hours before, the weather then, hour and month; rows with a hole are left out. Of
2010 to 2012 every third hour is for training, of 2014 every seventh for the test. Concentrations
are modelled as log(1 + x); densities are brought back to micrograms per cubic metre.

Beside a VAEDensity at defaults: persistence (the last hour goes on) and ridge regression with the
penalty by cross-validation, both with a normal residual whose covariance is that of the training
rows. The mean of a forecast is that of exp(drawn) - 1 over 100 draws, for all three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from benchmarks.report.results import ResultFile, arguments
from skvae import VAEDensity

BEFORE, AFTER = 24, 6
WEATHER = ["DEWP", "TEMP", "PRES", "Iws"]
N_DRAWS = 100
RESULTS = ResultFile("forecasting", ("method",))

#: Log-densities of test rows (n,), and draws of log(1 + x), (N_DRAWS, n, AFTER).
Forecast = tuple[NDArray[np.float64], NDArray[np.float64]]


def windows(folder: Path | None) -> pd.DataFrame:
    """Return one row for every hour: what comes, what was, and the year."""
    table = invented() if folder is None else pd.read_csv(folder / "beijing_raw.csv.gz")
    dust = np.log1p(table["pm2.5"])
    columns = {f"in {h + 1} h": dust.shift(-h - 1) for h in range(AFTER)}
    columns |= {f"{h} h ago": dust.shift(h) for h in range(BEFORE)}
    columns |= {name: table[name] for name in WEATHER}
    angle = {"hour": 2 * np.pi * table["hour"] / 24, "month": 2 * np.pi * table["month"] / 12}
    columns |= {f"{f} of {n}": getattr(np, f)(a) for n, a in angle.items() for f in ("sin", "cos")}
    rows = pd.DataFrame(columns).join(pd.get_dummies(table["cbwd"], dtype=float))
    return rows.assign(year=table["year"]).dropna()


def invented(n: int = 1_500) -> pd.DataFrame:
    """Return a made-up series with the columns of the real one."""
    generator = np.random.default_rng(0)
    level = np.zeros(n)
    for t in range(1, n):
        level[t] = 0.95 * level[t - 1] + 0.3 * generator.normal()
    table = pd.DataFrame({name: generator.normal(size=n) for name in WEATHER})
    table["pm2.5"], table["cbwd"] = np.exp(4.0 + level).round(), "NW"
    table["hour"], table["month"] = np.arange(n) % 24, 1 + np.arange(n) // 720 % 12
    table["year"] = np.where(np.arange(n) < n // 2, 2010, 2014)
    return table


def normal_forecast(
    center: NDArray[np.float64], residual: NDArray[np.float64], target: NDArray[np.float64]
) -> Forecast:
    """Return a forecast with a normal residual of the covariance of the training rows."""
    normal = multivariate_normal(np.zeros(AFTER), np.cov(residual.T, bias=True))
    noise = normal.rvs((N_DRAWS, len(center)), random_state=0)
    return normal.logpdf(target - center), center + noise


def persistence(train: pd.DataFrame, test: pd.DataFrame, targets: list[str]) -> Forecast:
    """Return the last hour, going on."""
    last = [part[["0 h ago"]].to_numpy() for part in (train, test)]
    residual = train[targets].to_numpy() - last[0]
    center = np.broadcast_to(last[1], (len(test), AFTER))
    return normal_forecast(center, residual, test[targets].to_numpy())


def ridge(train: pd.DataFrame, test: pd.DataFrame, targets: list[str]) -> Forecast:
    """Return ridge regression."""
    scaler = StandardScaler().fit(train.drop(columns=targets))
    X, of_test = (scaler.transform(part.drop(columns=targets)) for part in (train, test))
    model = RidgeCV(np.logspace(-2, 4, 13)).fit(X, train[targets])
    residual = train[targets].to_numpy() - model.predict(X)
    return normal_forecast(model.predict(of_test), residual, test[targets].to_numpy())


def by_density(quick: bool) -> Callable[..., Forecast]:
    """Return the forecast of a VAEDensity given its context."""

    def forecast(train: pd.DataFrame, test: pd.DataFrame, targets: list[str]) -> Forecast:
        context = [name for name in train if name not in targets]
        parameters: dict[str, Any] = {"max_epochs": 2} if quick else {}
        model = VAEDensity(
            likelihood="gaussian",
            prior="standard_normal",
            context_features=context,
            random_state=0,
            **parameters,
        ).fit(train)
        drawn = model.sample(N_DRAWS, random_state=0, context=test)[targets].to_numpy()
        draws = drawn.reshape(len(test), N_DRAWS, AFTER).swapaxes(0, 1)
        return model.score_samples(test), draws

    return forecast


def measure(forecast: Forecast, target: NDArray[np.float64]) -> dict[str, Any]:
    """Return nats per row, root mean square errors and what the middle nine tenths hold."""
    log_density, draws = forecast
    dust, drawn = np.expm1(target), np.expm1(draws)
    in_units = log_density - target.sum(1)  # d log(1 + x) / dx = 1 / (1 + x)
    low, middle, high = np.quantile(drawn, [0.05, 0.5, 0.95], axis=0)
    return {
        "nats": float(in_units.mean()),
        "median_nats": float(np.median(in_units)),
        "rmse": float(np.sqrt(np.square(middle - dust).mean())),
        "rmse_by_hour": np.sqrt(np.square(middle - dust).mean(0)).tolist(),
        "mean_absolute_error": float(np.abs(middle - dust).mean()),
        "rmse_of_the_mean_of_draws": float(np.sqrt(np.square(drawn.mean(0) - dust).mean())),
        "coverage_of_90_%": float(((low <= dust) & (dust <= high)).mean()),
        "by_row": in_units,
    }


def main() -> None:
    """Fit and compare."""
    args = arguments("Fine dust in Beijing, the next hours given the last day.").parse_args()
    rows = windows(None if args.quick else args.data)
    year = rows.pop("year")
    train, test = rows[year <= 2012][::3], rows[year == 2014][::7]
    targets = [name for name in rows if name.startswith("in ")]
    found: dict[str, Any] = {}
    methods = {"VAEDensity": by_density(args.quick), "persistence": persistence, "ridge": ridge}
    for name, method in methods.items():
        start = time.perf_counter()
        found[name] = measure(method(train, test, targets), test[targets].to_numpy())
        found[name]["seconds"] = time.perf_counter() - start
    ours = found["VAEDensity"]["by_row"]
    for name, one in found.items():
        gain = ours - one.pop("by_row")
        one["ours_ahead_by"] = [float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))]
        print(name, one, flush=True)
    shape = {"training_rows": len(train), "test_rows": len(test)}
    RESULTS.add([{"method": name, **one} for name, one in found.items()], args.quick, **shape)


if __name__ == "__main__":
    main()
