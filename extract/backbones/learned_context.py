"""A text tower read with learned vectors in place of words (CoOp, Zhou et al. 2022).

Takes the token embeddings of `X X ... X name.`, puts the context where the X stand, and goes on as the tower does.
Knows the interface of open_clip's towers with a causal mask; no checkpoint.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import torch

Position = Literal["end", "middle", "front"]
"""Where the class name stands among the context vectors."""

POSITIONS: Final = ("end", "middle", "front")


def placeholder(name: str, length: int) -> str:
    """Return what is tokenized for a class under `length` context vectors.

    Examples
    --------
    >>> placeholder("great_white shark", 2)
    'X X great white shark.'
    """
    return f"{' '.join(['X'] * length)} {name.replace('_', ' ')}."


def with_context(
    embedded: torch.Tensor, context: torch.Tensor, name_lengths: torch.Tensor, position: Position
) -> torch.Tensor:
    """Return token embeddings `(c, l, w)` with the context in place of the placeholders.

    Parameters
    ----------
    embedded
        `(c, l, w)` of `[start] X..X name . [end]`.
    context
        `(m, w)` for all classes, or `(c, m, w)`.
    name_lengths
        `(c,)` tokens of each name.
    position
        end: context, name; front: name, context; middle: the name between the halves.

    Examples
    --------
    >>> row = torch.tensor([[[0.0], [9.0], [9.0], [1.0], [2.0]]])  # start, two placeholders, name, full stop
    >>> context = torch.tensor([[5.0], [6.0]])
    >>> [with_context(row, context, torch.tensor([1]), where).flatten().tolist() for where in POSITIONS]
    [[0.0, 5.0, 6.0, 1.0, 2.0], [0.0, 5.0, 1.0, 6.0, 2.0], [0.0, 1.0, 5.0, 6.0, 2.0]]
    """
    classes, _, width = embedded.shape
    if context.ndim == 2:
        context = context.expand(classes, -1, -1)
    length = context.shape[1]
    if context.shape != (classes, length, width):
        raise ValueError(f"expected a context of {classes} classes and width {width}, got {tuple(context.shape)}")
    before = {"end": length, "middle": length // 2, "front": 0}[position]
    rows = []
    for row, own, words in zip(embedded, context, name_lengths.tolist(), strict=True):
        name, rest = row[1 + length : 1 + length + words], row[1 + length + words :]
        rows.append(torch.cat([row[:1], own[:before], name, own[before:], rest]))
    return torch.stack(rows)


def encode_embedded(half: Any, embedded: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return features `(c, d)`, projected and not normalised, of token embeddings.

    Parameters
    ----------
    half
        open_clip's CLIP or TextTransformer with a causal mask; its blocks are batch-first.
    embedded
        `(c, l, w)`.
    ends
        `(c,)` where the end-of-text tokens stand.
    """
    # Under a causal mask nothing behind the last end matters.
    length = int(ends.max()) + 1
    x = embedded[:, :length] + half.positional_embedding[:length]
    x = half.transformer(x, attn_mask=half.attn_mask[:length, :length])
    x = half.ln_final(x)[torch.arange(len(x), device=x.device), ends]
    projection = half.text_projection
    if projection is None:
        return x
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
