"""Two parts of an attention, each over some of the keys, put together by their log-sum-exps."""
