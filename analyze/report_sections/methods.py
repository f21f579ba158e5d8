"""How a metric is made, in a sentence or two, for the note under a figure."""

from __future__ import annotations

from typing import Final

METHODS: Final = {
    "accuracy_top1": "The best logit's class equals the label; among equal logits the lowest index wins.",
    "ece_15": "Fifteen bins of equal width, right-closed; confidence is the largest softmax probability.",
    "auroc": "Mann-Whitney statistic of in-distribution against out-of-distribution scores, ties counting half.",
}
