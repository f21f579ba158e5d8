"""A small world in which everything is real but little: images drawn from code, and models trained on them.

It serves the tutorial, the end-to-end test and the proof that planted effects are found. Its data are ordinary user
manifests; nothing outside this package knows it.
"""
