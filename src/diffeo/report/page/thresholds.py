"""When the page says something in words, and how much it shows: all in one place."""

from __future__ import annotations

__all__ = [
    "CLEAR_ACCURACY",
    "CLEAR_DISTANCE",
    "FALSE_ALARM",
    "MOST_CURVES",
    "MOST_PAIRS",
    "MOST_PLOTS",
    "MOST_TABLE_ROWS",
    "STANDARD_ERRORS",
]

# probability that a page about a true model warns, for each family of tests (Bonferroni)
FALSE_ALARM = 0.01
# a difference of means is clear beyond this many standard errors
STANDARD_ERRORS = 2.0
# with many rows any model differs: distances of margins, and gaps of coverage, below this are small
CLEAR_DISTANCE = 0.05
# and so are classifiers that are right less often than this
CLEAR_ACCURACY = 0.55
# plots of single columns, and of pairs; the worst or the most dependent ones
MOST_PLOTS = 24
MOST_PAIRS = 6
# curves in one plot that can be told apart
MOST_CURVES = 6
# rows of a table of columns
MOST_TABLE_ROWS = 100
