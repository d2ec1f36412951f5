"""The multi-head layer: four projections around one attention for each head."""
