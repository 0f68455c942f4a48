"""Quantiles of Student's t distribution, so that an interval needs no numeric library.

For whole degrees of freedom the two-sided probability is a finite sum of powers of the cosine
(Abramowitz and Stegun, 26.7.3 and 26.7.4); its inverse is found by bisection.
"""

from functools import lru_cache
from math import atan, cos, pi, sin, sqrt


def two_sided_probability(t: float, degrees: int) -> float:
    """Return P(|T| <= t) for `degrees` >= 1 degrees of freedom and t >= 0."""
    angle = atan(t / sqrt(degrees))
    sine, square = sin(angle), cos(angle) ** 2
    term, total = 1.0, 0.0
    if degrees % 2 == 0:
        for k in range(1, degrees // 2 + 1):
            total += term
            term *= square * (2 * k - 1) / (2 * k)
        return sine * total
    term = cos(angle)
    for k in range(1, (degrees - 1) // 2 + 1):
        total += term
        term *= square * (2 * k) / (2 * k + 1)
    return 2 / pi * (angle + sine * total)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, degrees: int) -> float:
    """Return t with P(T <= t) = `probability`.

    Raises:
        ValueError: the probability is not in [0.5, 1), or there is no degree of freedom.
    """
    if not 0.5 <= probability < 1 or degrees < 1:
        raise ValueError(f"no quantile for probability {probability} and {degrees} degrees")
    wanted = 2 * probability - 1
    low, high = 0.0, 1.0
    while two_sided_probability(high, degrees) < wanted:
        high *= 2
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if two_sided_probability(middle, degrees) < wanted:
            low = middle
        else:
            high = middle
