"""The matrix of features: what implementations declare, beside what runs of several environments have measured."""
