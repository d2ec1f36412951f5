"""Pictures: SVG, axes and their labels."""
