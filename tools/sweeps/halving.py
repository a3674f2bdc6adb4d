"""Which trials train on: asynchronous successive halving (Li et al. 2018, arXiv 1810.05934)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

ETA = 3  # one in ETA trials continues from a rung to the next

Scores = Mapping[int | None, float]  # of one trial, higher is better: at each rung, None at its end


def promotions(
    scores: Mapping[int, Scores], rungs: Sequence[int], least: int = 0
) -> list[tuple[int, int | None]]:
    """List the trials that should continue, the most urgent first.

    Args:
        scores: of each trial, by its number.
        rungs: numbers of epochs after which trials pause, rising.
        least: how many trials continue from each rung at least, however few are there.

    Returns: trials, each with the rung at which it pauses next (None: it trains to its end). They
        are the best third of those that have reached a rung, without those that have continued
        already. The highest rung comes first.
    """
    found = []
    for rung, following in reversed([*pairwise([*rungs, None])]):
        here = [trial for trial in scores if rung in scores[trial]]
        ranked = sorted(here, key=lambda trial: (-scores[trial][rung], trial))
        best = ranked[: max(len(here) // ETA, least)]
        found += [(trial, following) for trial in best if following not in scores[trial]]
    return found
