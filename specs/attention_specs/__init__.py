"""The definition of attention: problems, masks, the oracle, the error bound and the properties. Imports NumPy and ml_dtypes only."""
