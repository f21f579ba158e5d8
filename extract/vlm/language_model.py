"""A model of transformers that reads an image and a question, and says an answer, word by word, the likeliest first.

One question at a time: an answer then depends on nothing that was asked beside it. Knows no store.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import transformers

from cache.records import Answer
from extract import intake
from extract.backbones.precision import compute_dtype, set_precision
from extract.backbones.protocol import EXTRACTOR_SCHEMA
from extract.probe import probe_images
from extract.weights import Memo
from manifests.errors import UsageError

from .letters import letter_logits, letter_tokens
from .saved import WEIGHTS, WORDS, digests

if TYPE_CHECKING:
    from PIL import Image

    from cache.records import Question

MAX_NEW_TOKENS: Final = 32
PLAIN: Final = "USER: {image}\n{question} ASSISTANT:"
"""What LLaVA-1.5 was trained to see; for models whose processor has no chat template."""

_VOLATILE: Final = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")


class LanguageModel:
    """A saved model; cheap until `load`.

    Parameters
    ----------
    folder
        As transformers saves a model: config.json, safetensors, tokenizer, processor.
    dtype
        Compute dtype.
    """

    def __init__(self, folder: Path, *, dtype: str, memo: Memo) -> None:
        self._folder = folder
        self._dtype = dtype
        self._memo = memo
        self._model: Any = None
        compute_dtype(dtype)

    def identity(self) -> dict[str, Any]:
        """Return the canonical description of everything that determines an answer, without weights in memory.

        Raises
        ------
        UsageError
            When the folder holds no model with eyes.
        """
        try:
            config = json.loads((self._folder / "config.json").read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"{self._folder / 'config.json'} is no JSON ({error})") from None
        names = config.get("architectures") or [config.get("model_type", "")]
        return {
            "library": "transformers",
            "architecture": {"name": str(names[0]), "config": _plain(config)},
            "weights": digests(self._folder, (WEIGHTS,), self._memo),
            # Generation defaults are not used; what words become tokens and pixels is.
            "words": {
                name: sha
                for name, sha in digests(self._folder, WORDS, self._memo).items()
                if name not in ("config.json", "generation_config.json") and not name.endswith(".index.json")
            },
            "preprocess": {"probe": self._pixel_probe()},
            "prompt": self.frame,
            "letters": [list(tokens) for tokens in self._letters],
            "generation": {"decoding": "greedy", "max_new_tokens": MAX_NEW_TOKENS},
            "dtype": {"compute": self._dtype},
            "extractor_schema": EXTRACTOR_SCHEMA,
        }

    @cached_property
    def _processor(self) -> Any:
        try:
            processor = transformers.AutoProcessor.from_pretrained(self._folder, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UsageError(f"{self._folder.name}: transformers finds no processor there ({error})") from None
        if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
            raise UsageError(f"{self._folder.name} reads no images: its processor is {type(processor).__name__}")
        return processor

    @cached_property
    def _letters(self) -> tuple[tuple[int, ...], ...]:
        return letter_tokens(self._processor.tokenizer)

    @cached_property
    def frame(self) -> str:
        """What stands around a question: the model's own chat template, or LLaVA's words, with `{question}` in it."""
        if not getattr(self._processor, "chat_template", None):
            return PLAIN.replace("{image}", str(getattr(self._processor, "image_token", "<image>")))
        content = [{"type": "image"}, {"type": "text", "text": "{question}"}]
        turns = [{"role": "user", "content": content}]
        return str(self._processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def _pixel_probe(self) -> dict[str, str]:
        """Return the sha256 of the pixels of the shipped images after everything but normalisation."""
        found = {}
        for name, data in probe_images().items():
            image = intake.decode(data).image
            options = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
            pixels = self._processor.image_processor(images=[image], **options)["pixel_values"]
            found[name] = hashlib.sha256(np.asarray(pixels).round().astype(np.uint8).tobytes()).hexdigest()
        return found

    def load(self, device: str) -> None:
        """Build the model with its weights on a device.

        Raises
        ------
        UsageError
            When transformers cannot, or the model does not generate text.
        """
        set_precision(self._dtype)
        try:
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                self._folder, dtype=compute_dtype(self._dtype), local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UsageError(f"{self._folder.name}: transformers cannot build it ({error})") from None
        self._model = model.eval().to(device)
        said = model.generation_config
        ids = {name: getattr(said, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        if ids["pad_token_id"] is None:
            ids["pad_token_id"] = (
                ids["eos_token_id"][0] if isinstance(ids["eos_token_id"], list) else ids["eos_token_id"]
            )
        # In place of what was saved: sampling and penalties of a chat are not the protocol's.
        model.generation_config = transformers.GenerationConfig(
            do_sample=False, num_beams=1, max_new_tokens=MAX_NEW_TOKENS, **ids
        )

    def answer(self, image: Image.Image, question: Question) -> Answer:
        """Return the greedy answer to a question about an RGB image; `load` comes before."""
        text = self.frame.replace("{question}", question.prompt)
        inputs = self._processor(images=[image], text=[text], return_tensors="pt").to(self._model.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        with torch.inference_mode():
            made = self._model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
        new = made.sequences[0, inputs["input_ids"].shape[1] :]
        ends = self._model.generation_config.eos_token_id
        stopped = len(new) > 0 and int(new[-1]) in (ends if isinstance(ends, list) else [ends])
        return Answer(
            text=str(self._processor.tokenizer.decode(new, skip_special_tokens=True)),
            letter_logits=letter_logits(made.logits[0][0].float().cpu(), self._letters, len(question.options)),
            finish_reason="stop" if stopped else "length",
        )

    def close(self) -> None:
        """Let the model and its device memory go."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _plain(config: Any) -> Any:
    """Return a configuration without what says nothing of the numbers."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items() if key not in _VOLATILE}
    return [_plain(value) for value in config] if isinstance(config, list) else config
