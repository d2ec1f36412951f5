"""Two runs side by side: what is wrong that was not, what is mended, what became slower or faster."""
