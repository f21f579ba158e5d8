"""A text tower: strings in, float32 features out, in the space of the image embeddings.

Text is always computed in float32, whatever the images are computed in: there is little of it, and every logit of
a zero-shot model depends on it. What a tokenizer makes of a string is part of the space, so it is described here too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.tokenizer import default_bpe

from manifests.canonical import canonical_json
from manifests.errors import UsageError

from .learned_context import Position, encode_embedded, placeholder, with_context
from .open_clip_config import OpenClipConfig
from .precision import set_precision
from .timm_weights import shorten

BATCH: Final = 256
"""Sentences of a forward pass."""

PROBE: Final = ("a photo of a {}.", "itap of the LARGE black-and-white T-shirt, 80% off", "naïve café № 7 &amp; more")
"""Sentences whose tokens are part of a space's identity, as the pixel probe is for images."""

Progress = Callable[[int], None]


class OpenClipTextTower:
    """The text tower of a loaded open_clip model.

    Parameters
    ----------
    model
        As open_clip built it; its text half in float32.
    tokenize
        Strings to token ids `(n, context_length)`; takes another `context_length`, too.
    dtype
        The compute dtype of the process, which is put back after every call.
    """

    def __init__(self, model: Any, tokenize: Callable[..., torch.Tensor], device: torch.device, dtype: str):
        self._model = model
        self._tokenize = tokenize
        self._device = device
        self._dtype = dtype

    @property
    def logit_scale(self) -> float:
        """The learned scale of cosines, exponentiated in float32 as open_clip does."""
        return float(self._model.logit_scale.detach().float().exp())

    @property
    def logit_bias(self) -> float:
        """The learned bias of logits; 0 where the model has none."""
        bias = self._model.logit_bias
        return 0.0 if bias is None else float(bias.detach().float())

    def encode(self, strings: Sequence[str], progress: Progress = lambda done: None) -> NDArray[np.float32]:
        """Return float32 features `(n, d)` of strings, projected and not normalised.

        Raises
        ------
        ValueError
            When there is no string.
        """
        if not strings:
            raise ValueError("expected at least one string, got none")
        parts: list[NDArray[np.float32]] = []
        set_precision("float32")
        try:
            with torch.inference_mode():
                for start in range(0, len(strings), BATCH):
                    tokens = self._tokens(strings[start : start + BATCH])
                    features = encode_until_end(self._half, tokens) if self._ends else self._library(tokens)
                    parts.append(features.float().cpu().numpy())
                    progress(min(start + BATCH, len(strings)))
        finally:
            set_precision(self._dtype)
        return np.concatenate(parts)

    def encode_learned(
        self, names: Sequence[str], context: NDArray[np.float32], position: Position
    ) -> NDArray[np.float32]:
        """Return float32 features `(c, d)` of class names under a learned context (CoOp), not normalised.

        Parameters
        ----------
        context
            `(m, w)` for all classes, or `(c, m, w)`.
        position
            Where the name stands among the context vectors.

        Raises
        ------
        UsageError
            When the tower does not read sentences up to their end, or is of another width.
        """
        if not self._ends:
            raise UsageError("a learned context needs a text tower with a causal mask, read where the sentence ends")
        half, parts = self._half, []
        vectors = torch.from_numpy(np.asarray(context, np.float32)).to(self._device)
        width = int(half.token_embedding.weight.shape[1])
        own = vectors.ndim == 3 and len(vectors) == len(names)
        if not (own or vectors.ndim == 2) or vectors.shape[-1] != width:
            raise UsageError(
                f"the context is {tuple(vectors.shape)}; this text tower reads vectors of {width}, for {len(names)} "
                "classes; is it of another model?"
            )
        set_precision("float32")
        try:
            with torch.inference_mode():
                for start in range(0, len(names), BATCH):
                    chosen = [name.replace("_", " ") for name in names[start : start + BATCH]]
                    tokens = self._tokens([placeholder(name, vectors.shape[-2]) for name in chosen])
                    # A name alone is its start, its tokens and its end.
                    lengths = self._tokens(chosen).argmax(dim=-1) - 1
                    context_of = vectors[start : start + BATCH] if own else vectors
                    embedded = with_context(half.token_embedding(tokens), context_of, lengths, position)
                    parts.append(encode_embedded(half, embedded, tokens.argmax(dim=-1)).float().cpu().numpy())
        finally:
            set_precision(self._dtype)
        return np.concatenate(parts)

    def truncated(self, strings: Sequence[str]) -> int:
        """Return how many strings have more tokens than the tower reads.

        Tokenised for a tower of twice the length, a string that fits has nothing but padding behind the end.
        """
        length = int(self._tokenize([""]).shape[1])
        longer = partial(self._tokenize, context_length=2 * length)
        padding = longer([""])[0, -1]
        cut = 0
        for start in range(0, len(strings), BATCH):
            cut += int((longer(list(strings[start : start + BATCH]))[:, length:] != padding).any(dim=1).sum())
        return cut

    def _tokens(self, strings: Sequence[str]) -> torch.Tensor:
        return self._tokenize(list(strings)).to(self._device)

    def _library(self, tokens: torch.Tensor) -> torch.Tensor:
        # CoCa normalises unless told otherwise.
        features: torch.Tensor = self._model.encode_text(tokens, normalize=False)
        return features

    @property
    def _half(self) -> Any:
        return getattr(self._model, "text", self._model)

    @cached_property
    def _ends(self) -> bool:
        """Whether what follows the end of a sentence may be left out: once a tower, held against the library."""
        half = self._half
        pool = getattr(half, "pool_type", getattr(half, "text_pool_type", None))
        mask = getattr(half, "attn_mask", None)
        if pool != "argmax" or mask is None or getattr(half, "cls_emb", None) is not None:
            return False
        tokens = self._tokens(PROBE)
        theirs = self._library(tokens)
        gap = float((encode_until_end(half, tokens) - theirs).abs().max())
        return gap <= 1e-5 * max(1.0, float(theirs.abs().max()))


def encode_until_end(half: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return the features of sentences `(n, d)`, computed up to the last end-of-text token only.

    Under a causal mask a token does not see those behind it, and the feature is read at the end-of-text token, which
    has the largest id: padding cannot change it. A prompt has some 15 tokens of 77, so this is five times less work.

    Parameters
    ----------
    half
        open_clip's CLIP or TextTransformer with a causal mask and pool_type argmax.
    tokens
        `(n, context_length)`.
    """
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = half.token_embedding(tokens[:, :length]) + half.positional_embedding[:length]
    x = half.transformer(x, attn_mask=half.attn_mask[:length, :length])
    x = half.ln_final(x)[torch.arange(len(x), device=x.device), ends]
    projection = half.text_projection
    if projection is None:
        return x
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection


def open_tokenizer(config: OpenClipConfig, *, offline: bool = False) -> Any:
    """Return the tokenizer that open_clip pairs with an architecture.

    Raises
    ------
    UsageError
        When it has to be downloaded and cannot be, needs a package that is not installed, or draws tokens at random.
    """
    facts = describe_tokenizer(config)
    kind = facts["kind"]
    text = config.model["text_cfg"]
    more: dict[str, Any] = {}
    if kind == "HFTokenizer":
        more["trust_remote_code"] = False
        if offline:
            more["local_files_only"] = True
    if kind == "SimpleTokenizer" and (text.get("tokenizer_kwargs") or {}).get("bpe_path"):
        more["bpe_path"] = str(_vocabulary(config))
    try:
        return open_clip.get_tokenizer(config.source, **more)
    except ImportError as error:
        raise UsageError(
            f"the tokenizer of {config.name} ({facts.get('name', kind)}) needs the package "
            f"{error.name or 'transformers'}: `pip install transformers sentencepiece`"
        ) from None
    except Exception as error:  # noqa: BLE001 - transformers raises anything for a tokenizer that it cannot fetch
        raise UsageError(
            f"the tokenizer of {config.name} ({facts.get('name', kind)}) is not on this machine and "
            f"{'--offline forbids to download it' if offline else 'cannot be downloaded'}: {shorten(error)[:300]}. "
            f"Where there is a network: `hf download {facts.get('name', '')}`"
        ) from None


def describe_tokenizer(config: OpenClipConfig) -> dict[str, Any]:
    """Return what a tokenizer does, as far as that can be told without a network.

    Raises
    ------
    UsageError
        For a tokenizer that shortens long sentences at random, brings code of its own, or has its vocabulary outside
        of its folder.
    """
    text = config.model["text_cfg"]
    kwargs = dict(text.get("tokenizer_kwargs") or {})
    if kwargs.get("trust_remote_code"):
        raise UsageError(
            f"{config.name}: its configuration asks to run code that comes with it (trust_remote_code in "
            "tokenizer_kwargs). Nothing that is loaded here runs: take that key out of open_clip_config.json."
        )
    facts: dict[str, Any] = {"context_length": config.context_length}
    if text.get("hf_tokenizer_name"):
        # What stands in a saved model's own folder is read from there, whatever the configuration calls it.
        facts |= {"kind": "HFTokenizer", "name": text["hf_tokenizer_name"], "mode": text.get("tokenizer_mode") or ""}
        return {**facts, "kwargs": kwargs}
    if "siglip" in config.source.lower() and not config.source.startswith("local-dir:"):
        return {**facts, "kind": "SigLipTokenizer", "name": config.name}
    if kwargs.get("reduction_mask") not in (None, "", "syntax"):
        raise UsageError(
            f"{config.name} shortens sentences by {kwargs['reduction_mask']!r}, which is random; the same prompt would "
            "have another embedding each time"
        )
    vocabulary = _vocabulary(config)
    kwargs.pop("bpe_path", None)
    facts |= {"kind": "SimpleTokenizer", "vocabulary": hashlib.sha256(vocabulary.read_bytes()).hexdigest()}
    tokens = open_clip.SimpleTokenizer(str(vocabulary), context_length=config.context_length, **kwargs)(list(PROBE))
    return {**facts, "kwargs": kwargs, "probe": hashlib.sha256(canonical_json(tokens.tolist())).hexdigest()}


def _vocabulary(config: OpenClipConfig) -> Path:
    given = (config.model["text_cfg"].get("tokenizer_kwargs") or {}).get("bpe_path")
    if not given:
        return Path(default_bpe())
    path = Path(given)
    # open_clip reads it from the working directory; beside the configuration is what its author meant.
    if config.source.startswith("local-dir:"):
        folder = Path(config.source.removeprefix("local-dir:"))
        path = folder / path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{config.name}: its vocabulary {given} is outside of {folder}; put it beside the model")
    if not path.is_file():
        raise UsageError(f"{config.name}: its vocabulary {path} is not there")
    return path
