"""The miniature's words as tokens: open_clip's own tokenizer with only the merges that these words use.

The standard vocabulary would cost 50,000 rows of embeddings; in the order of the standard one, the merges that are
left split our words in the same way.
"""

from __future__ import annotations

import gzip
import itertools
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = "merges.txt.gz"
CONTEXT: Final = 28


def needed_merges(words: tuple[str, ...]) -> list[str]:
    """Return the merges of CLIP's vocabulary that spell some words whole, in its order."""
    from open_clip.tokenizer import SimpleTokenizer

    standard = SimpleTokenizer()
    ranks: dict[tuple[str, str], int] = standard.bpe_ranks
    used: set[int] = set()
    for word in words:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = [
                (ranks.get((left, right), len(ranks)), at) for at, (left, right) in enumerate(itertools.pairwise(parts))
            ]
            rank, _ = min(pairs)
            if rank == len(ranks):
                break
            used.add(rank)
            left, right = next(pair for pair, value in ranks.items() if value == rank)
            merged: list[str] = []
            for part in parts:
                if merged and merged[-1] == left and part == right:
                    merged[-1] = left + right
                else:
                    merged.append(part)
            parts = merged
    by_rank = {value: pair for pair, value in ranks.items()}
    return [" ".join(by_rank[rank]) for rank in sorted(used)]


def write_merges(folder: Path) -> Path:
    """Write the merges of the miniature's vocabulary; the same bytes every time."""
    from extract.miniature.captions import vocabulary

    text = "\n".join(["#version: miniature", *needed_merges(vocabulary())]) + "\n"
    path = folder / FILE
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


@cache
def tokenizer_of(path: Path) -> Any:
    """Return open_clip's tokenizer with these merges."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(bpe_path=str(path), context_length=CONTEXT)
