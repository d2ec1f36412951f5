"""Two runs side by side: new failures, fixed ones, and changes of times."""
