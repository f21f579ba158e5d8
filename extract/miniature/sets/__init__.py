"""Evaluation sets of the miniature, one module a family; each writes the layout that the official set has."""
