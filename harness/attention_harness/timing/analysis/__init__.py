"""From samples to figures, intervals, verdicts and tables."""
