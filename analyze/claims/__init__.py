"""Findings as statements that a table of results answers: supported, contradicted, undecided, or no data.

`claim_rows` reads the claims of the manifests over a table; `means`, `shares`, `correlations`, `slopes` and `outliers`
are the estimators, arrays in and an `Estimate` out.
"""
