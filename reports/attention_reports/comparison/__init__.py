"""Two runs side by side: what is wrong that was not, what is fixed, what became slower or faster."""
