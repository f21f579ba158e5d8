"""How many panels stand side by side; the page's script applies the same rule to the width that it finds.

Knows counts and widths only.
"""

from __future__ import annotations


def columns(count: int, row: int, most: int) -> int:
    """Number of columns for ``count`` panels of which every ``row`` belong together.

    Tidy numbers are preferred, those that keep a test set from starting in the middle of a line: divisors of
    ``row``, and its multiples that divide ``count``. Where they would leave half of the width empty, the panels
    are spread evenly instead, so that no orphan is left in the last line.

    Parameters
    ----------
    count
        Panels in all, at least 1.
    row
        Panels of one test set, at least 1.
    most
        Panels that fit beside each other, at least 1.

    Raises
    ------
    ValueError
        If one of the three is below 1.

    Examples
    --------
    Six panels, three a test set, in a width for four: two full lines of three.

    >>> columns(6, 3, 4), columns(16, 4, 10), columns(6, 3, 1)
    (3, 8, 1)

    Five panels in a width for four: three and two, not four and one.

    >>> columns(5, 5, 4)
    3
    """
    if min(count, row, most) < 1:
        raise ValueError(f"count, row and most must be at least 1; got {count}, {row}, {most}")
    widest = min(count, most)
    tidy = max(c for c in range(1, widest + 1) if row % c == 0 or (c % row == 0 and count % c == 0))
    if 2 * tidy > widest:
        return tidy
    lines = -(-count // widest)
    return -(-count // lines)
