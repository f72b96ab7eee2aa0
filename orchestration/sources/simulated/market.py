"""Returns that companies share: the market, eleven sectors, five styles. Causal, one entity of draws each."""

from dataclasses import dataclass

import numpy as np

from orchestration.sources.simulated.draws import FloatArray, Stream, fat_tailed, uniforms
from orchestration.sources.simulated.universe import SECTORS

# Every company drifts alike, in logs, whatever its beta or volatility: with nothing planted, nothing that is
# known today tells who will do better, by rank or by value.
DRIFT = 0.0003
_MARKET_SIGMA = 0.0095
_SECTOR_SIGMA = 0.005
_STYLE_SIGMA = 0.001
STYLES = ("momentum", "low_volatility", "value", "quality", "size")

# GARCH(1,1) of Bollerslev (1986), variance in units of its mean.
GARCH_NEWS = 0.08
GARCH_MEMORY = 0.90


@dataclass(frozen=True)
class SharedReturns:
    """Daily log returns without drift: `market` (t,), `sectors` (t, 11), `styles` (t, 5)."""

    market: FloatArray
    sectors: FloatArray
    styles: FloatArray


def shared_returns(seed: int, *, n_sessions: int) -> SharedReturns:
    """Draw the shared returns of the first n sessions; row t is the same for every n above t."""
    n_series = 1 + len(SECTORS) + len(STYLES)
    entities = np.arange(n_series, dtype=np.int64)
    u = uniforms(seed, Stream.MARKET, entities, first=0, n_steps=n_sessions)
    shocks = clustered(fat_tailed(u[..., 0], u[..., 1]))
    after_sectors = 1 + len(SECTORS)
    return SharedReturns(
        market=_MARKET_SIGMA * shocks[:, 0],
        sectors=_SECTOR_SIGMA * shocks[:, 1:after_sectors],
        styles=_STYLE_SIGMA * shocks[:, after_sectors:],
    )


def clustered(shocks: FloatArray) -> FloatArray:
    """Give independent unit shocks (t, n) a volatility that clusters; the mean variance stays 1."""
    scaled = np.empty_like(shocks)
    variance = np.ones(shocks.shape[1])
    for t, shock in enumerate(shocks):
        scaled[t] = np.sqrt(variance) * shock
        variance = (1.0 - GARCH_NEWS - GARCH_MEMORY) + GARCH_NEWS * scaled[t] ** 2 + GARCH_MEMORY * variance
    return scaled
