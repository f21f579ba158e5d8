"""A LLaVA of a few hundred thousand parameters: its eyes, its words, its language model, and the frame of a question.

As transformers builds and saves one, so that nothing has to know that it is small. Knows no lesson.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from cache.records import LETTERS
from extract.vlm.language_model import PLAIN

SIDE: Final = 60
"""Pixels of the middle of a picture that is seen."""

PATCH: Final = 12
PLACES: Final = (SIDE // PATCH) ** 2
"""Tokens of a picture."""

PICTURE_SIDE: Final = 64
GREY: Final = 0.5
"""Mean and deviation that pixels are normalised by, every channel."""

SPECIAL: Final = ("<unk>", "<s>", "</s>", "<pad>", "<image>")
START, END, PAD, IMAGE = range(1, 5)


EYES: Final = CLIPVisionConfig(
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    image_size=SIDE,
    patch_size=PATCH,
    projection_dim=64,
)


@dataclass(frozen=True, slots=True)
class LanguageSize:
    """How large the language model is; eyes are all of one size."""

    width: int
    layers: int


SIZES: Final = {"mini-llava-1": LanguageSize(64, 2), "mini-llava-2": LanguageSize(64, 3)}


def framed(question: str, answer: str = "") -> str:
    """Return a turn as the program frames it, the picture's places in it; with an answer, the turn is over.

    Examples
    --------
    >>> framed("What?", "A. pen").replace("<image>", "")
    'USER: \\nWhat? ASSISTANT: A. pen</s>'
    """
    turn = PLAIN.replace("{image}", SPECIAL[IMAGE] * PLACES).replace("{question}", question)
    return f"{turn} {answer}{SPECIAL[END]}" if answer else turn


def tokenizer_for(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each letter of an option and each word and mark of these texts."""
    split = pre_tokenizers.Whitespace()
    said = [framed("").replace(SPECIAL[IMAGE], ""), *texts]
    words = {word for text in said for word, _ in split.pre_tokenize_str(text)} - set(LETTERS)
    vocabulary = {word: at for at, word in enumerate((*SPECIAL, *LETTERS, *sorted(words)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[0]))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.WordPiece(cleanup=True)  # a space before each word, none before a full stop
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=SPECIAL[0],
        bos_token=SPECIAL[START],
        eos_token=SPECIAL[END],
        pad_token=SPECIAL[PAD],
        additional_special_tokens=[SPECIAL[IMAGE]],
        padding_side="right",
    )


def processor_for(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Return what makes tokens and pixels of words and pictures."""
    pixels = CLIPImageProcessor(
        size={"shortest_edge": PICTURE_SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[GREY] * 3,
        image_std=[GREY] * 3,
    )
    return LlavaProcessor(
        pixels,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",  # the patches, without the class token
        image_token=SPECIAL[IMAGE],
        num_additional_image_tokens=1,
    )


def untrained(words: int, size: LanguageSize, eyes: CLIPVisionModel, seed: int) -> LlavaForConditionalGeneration:
    """Return a model that looks through these eyes, which learn no more, and cannot speak yet.

    Parameters
    ----------
    words
        Tokens of its tokenizer.
    """
    text = LlamaConfig(
        vocab_size=words,
        hidden_size=size.width,
        intermediate_size=2 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
        initializer_range=0.05,
    )
    config = LlavaConfig(
        vision_config=EYES,
        text_config=text,
        image_token_id=IMAGE,
        image_seq_length=PLACES,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(eyes.state_dict())
    model.model.vision_tower.requires_grad_(False)
    return model


def pixel_values(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Return crops, uint8 `(n, 60, 60, 3)`, as the model sees them: `(n, 3, 60, 60)`, as the saved processor does."""
    return (torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255 - GREY) / GREY


def middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the part of pictures `(n, 64, 64, 3)` that is seen."""
    edge = (PICTURE_SIDE - SIDE) // 2
    return pixels[:, edge : edge + SIDE, edge : edge + SIDE]


def save(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Save weights in float16, words and processor."""
    model.half().save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)  # it is written for its owner alone
    processor_for(tokenizer).save_pretrained(folder)
