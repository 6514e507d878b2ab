"""What a result costs: of several, those that no other beats in both score and cost."""

from __future__ import annotations

from collections.abc import Sequence


def best_front(costs: Sequence[float], scores: Sequence[float], higher_is_better: bool) -> list[int]:
    """Which points are on the best front: none other costs at most as much and scores at least as well, one strictly.

    Args:
        costs: less is better.
        scores: of the same points.

    Returns:
        Their places, the cheapest first; of points that are equal in both, all.
    """
    sign = 1 if higher_is_better else -1
    places = sorted(range(len(costs)), key=lambda place: (costs[place], -sign * scores[place]))
    front: list[int] = []
    best = float("-inf")
    for place in places:
        score = sign * scores[place]
        ties = bool(front) and (costs[front[-1]], scores[front[-1]]) == (costs[place], scores[place])
        if score > best or ties:
            front.append(place)
            best = score
    return front
