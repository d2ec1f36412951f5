"""Many implementations, one suite, one folder."""
