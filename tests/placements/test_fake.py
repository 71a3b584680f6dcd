"""Queues whose laws are known come out of driver, placement and rows at their textbook percentiles.

Sources: Gross, Shortle, Thompson and Harris, Fundamentals of Queueing Theory (4th ed., 2008): M/M/1 sojourn times
(section 2.2), M/M/c/K (2.5); Franx, A simple solution for the M/D/c waiting time distribution (Operations Research
Letters 29, 2001). Samples of a queue are correlated, so tolerances come from the spread over independent seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from harness.arrivals import Poisson
from harness.placements.base import Bench, Placement
from harness.placements.fake import FakePlacement
from tests.fakes import NO_LIMIT, in_virtual_time

SEEDS = range(10)
QUANTILES = (0.5, 0.9, 0.95, 0.99)


def arrive(rate_per_s: float, duration_s: float, seed: int) -> np.ndarray:
    process = Poisson(kind="poisson", rate_per_s=rate_per_s, duration_s=duration_s)
    return process.offsets_s(np.random.default_rng([seed, 1]))


def exponential(mean_s: float, seed: int, servers: int = 1) -> Callable[[Bench], Placement]:
    rng = np.random.default_rng([seed, 2])

    def make(bench: Bench) -> Placement:
        return FakePlacement(bench, law=lambda: float(rng.exponential(mean_s)), servers=servers)

    return make


def agree(found: list[float], truth: float) -> bool:
    """Whether the mean over seeds lies within 4 standard errors of the truth, and these are small enough to tell."""
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    assert error < 0.05 * truth, "too few seeds or items to tell"
    return abs(float(np.mean(found)) - truth) < 4 * error + 1e-6


def test_m_m_1_latency_is_exponential() -> None:
    """Sojourn time at 60 % utilisation: exponential with rate mu - lambda."""
    mu, rate = 10.0, 6.0
    runs = [in_virtual_time(exponential(1 / mu, seed), arrive(rate, 2000, seed)) for seed in SEEDS]
    for q in QUANTILES:
        found = [float(rows["latency_s"].quantile(q)) for rows in runs]
        assert agree(found, -math.log(1 - q) / (mu - rate)), q


@pytest.mark.parametrize(("servers", "rate"), [(1, 6.0), (3, 24.0)])
def test_m_d_c_waiting_is_what_franx_says(servers: int, rate: float) -> None:
    served_s = 0.1

    def make(bench: Bench) -> Placement:
        return FakePlacement(bench, law=lambda: served_s, servers=servers)

    runs = [in_virtual_time(make, arrive(rate, 15_000 / rate, seed)) for seed in SEEDS]
    for q in (0.9, 0.95, 0.99):
        found = [float(rows["latency_s"].quantile(q)) for rows in runs]
        assert agree(found, served_s + m_d_c_wait_s(rate, served_s, servers, q)), q


def test_a_limit_in_flight_makes_a_finite_queue() -> None:
    """M/M/2 with at most 5 items out: the dropped share and the latency of the rest are those of M/M/2/5."""
    mu, rate, servers, places = 5.0, 12.0, 2, 5
    runs = [
        in_virtual_time(exponential(1 / mu, seed, servers), arrive(rate, 1000, seed), places)
        for seed in SEEDS
    ]
    law = m_m_c_k(rate, mu, servers, places)
    assert agree([float((rows["outcome"] == "dropped").mean()) for rows in runs], law[places])
    accepted = law[:places] / law[:places].sum()
    for q in (0.5, 0.9, 0.95):
        found = [float(rows.loc[rows["outcome"] == "ok", "latency_s"].quantile(q)) for rows in runs]
        assert agree(found, m_m_c_k_latency_s(accepted, mu, servers, q)), q


def test_a_placements_own_finite_queue_throttles_the_same_share() -> None:
    mu, rate, places = 10.0, 9.0, 4

    def throttled(seed: int) -> float:
        rng = np.random.default_rng([seed, 2])

        def make(bench: Bench) -> Placement:
            return FakePlacement(bench, law=lambda: float(rng.exponential(1 / mu)), places=places)

        return float((in_virtual_time(make, arrive(rate, 1000, seed))["outcome"] == "throttled").mean())

    assert agree([throttled(seed) for seed in SEEDS], m_m_c_k(rate, mu, 1, places)[places])


def test_parts_add_up_to_the_latency() -> None:
    rows = in_virtual_time(exponential(0.1, 1), arrive(8.0, 100, 1), NO_LIMIT)
    parts = rows[
        [f"{part}_s" for part in ("queue", "create", "start", "init", "fetch", "work", "store", "answer")]
    ]
    assert np.allclose(parts.sum(axis=1) + rows["other_s"], rows["latency_s"])
    assert (rows["other_s"].abs() < 0.001).all()


def m_m_c_k(rate: float, mu: float, servers: int, places: int) -> np.ndarray:
    """Probability of 0 to `places` items inside."""
    weights = [1.0]
    for inside in range(1, places + 1):
        weights.append(weights[-1] * rate / (mu * min(inside, servers)))
    return np.array(weights) / sum(weights)


def m_m_c_k_latency_s(accepted: np.ndarray, mu: float, servers: int, q: float) -> float:
    """Quantile of the time inside: who meets n others waits for n - servers + 1 ends, then is served."""

    def below(t_s: float) -> float:
        total = 0.0
        for others, share in enumerate(accepted):
            ends = max(0, others - servers + 1)
            total += share * _sum_of_gammas(t_s, ends, servers * mu, mu)
        return total - q

    return float(optimize.brentq(below, 1e-9, 100))


def _sum_of_gammas(t_s: float, ends: int, fast: float, mu: float) -> float:
    """P(Erlang(ends, fast) + exponential(mu) <= t), by quadrature over the exponential part."""
    if ends == 0:
        return float(stats.expon.cdf(t_s, scale=1 / mu))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = t_s * (nodes + 1) / 2
    inner = stats.gamma.cdf(t_s - x, ends, scale=1 / fast) * stats.expon.pdf(x, scale=1 / mu)
    return float(t_s / 2 * np.dot(weights, inner))


def m_d_c_wait_s(rate: float, served_s: float, servers: int, q: float) -> float:
    """Quantile of the waiting time of M/D/c (Franx 2001), from how many wait at most."""
    waiting = np.cumsum(m_d_c_inside(rate * served_s, servers))[servers:]

    def below(t_s: float) -> float:
        k = math.floor(t_s / served_s + 1e-12) + 1
        arrive_later = stats.poisson.pmf(np.arange(k * servers), rate * (k * served_s - t_s))
        return float(np.dot(arrive_later, waiting[: k * servers][::-1])) - q

    return float(optimize.brentq(below, 0, 30 * served_s))


def m_d_c_inside(load: float, servers: int, most: int = 250) -> np.ndarray:
    """Probability of 0 to `most` items inside: after one service time all that were served have left."""
    inside = np.arange(most + 1)
    left = np.maximum(0, inside - servers)
    step = stats.poisson.pmf(inside[None, :] - left[:, None], load)
    step /= step.sum(axis=1, keepdims=True)
    equations = np.vstack([step.T - np.eye(most + 1), np.ones(most + 1)])
    solved: np.ndarray = np.linalg.lstsq(equations, np.append(np.zeros(most + 1), 1.0), rcond=None)[0]
    return solved
