"""Steps of a check as data: what each case showed, the file that holds it, and the share of a suite."""
