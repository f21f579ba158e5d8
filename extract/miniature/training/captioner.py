"""The miniature's language models with eyes: very small LLaVAs learn to say what a picture shows.

`python -m extract.miniature.training.captioner OUT` trains them from nothing and saves them as transformers does, so
that `run --kinds records --model hf:OUT/mini-llava-1` asks one as it asks any other. First the eyes learn to tell
things, patterns and colours apart; then, as in the journal, several language models learn to speak of what the same
eyes see: captions, and questions in the words that the program asks in. What they say of other pictures later, they say
by themselves.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPVisionModel, PreTrainedTokenizerFast

from cache.records import LETTERS, ask
from extract.miniature import captions, draw, sampling
from extract.miniature.world import CLASSES, HUES, TEXTURES

from .llava import EYES, PICTURE_SIDE, SIDE, SIZES, framed, middle, pixel_values, save, tokenizer_for, untrained

DESCRIBE: Final = "Describe the image."

RECIPES: Final = (sampling.MORE, sampling.SOURCE_A, sampling.MORE, sampling.SOURCE_B)
"""What it learns from: pictures of these in turn."""

SHIFT: Final = 6
"""Pixels by which the crops of a batch are off the middle at most."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with what is said of them.

    Attributes
    ----------
    pixels : uint8 (n, 64, 64, 3)
    labels : int (n, 3)
        Class, texture, colour.
    captions
        n sentences.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    captions: tuple[str, ...]


def drawn(count: int, seed: int, recipes: Sequence[sampling.Recipe] = RECIPES) -> Pictures:
    """Draw pictures, classes and recipes in turn."""
    rng = np.random.RandomState(seed)
    classes = [at % len(CLASSES) for at in range(count)]
    scenes = [sampling.sample(recipes[at // len(CLASSES) % len(recipes)], of, rng) for at, of in enumerate(classes)]
    hues = list(HUES)
    return Pictures(
        np.stack([draw.draw(scene, PICTURE_SIDE) for scene in scenes]),
        np.array(
            [(of, TEXTURES.index(one.texture), hues.index(one.colour)) for of, one in zip(classes, scenes, strict=True)]
        ),
        tuple(captions.caption(scene, CLASSES[of], rng) for scene, of in zip(scenes, classes, strict=True)),
    )


def options_for(label: int, rng: np.random.RandomState) -> tuple[int, ...]:
    """Return four different classes in a random order, one of which is the label."""
    others = rng.permutation([at for at in range(len(CLASSES)) if at != label])[: len(LETTERS) - 1]
    return tuple(int(at) for at in rng.permutation([label, *others]))


def question(options: Sequence[int]) -> str:
    """Return the program's question about classes in this order."""
    return ask([CLASSES[at].name for at in options])


def words_of(pictures: Pictures) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows every word of every question, and of the captions."""
    return tokenizer_for([ask(["", ""]), DESCRIBE, *(thing.name for thing in CLASSES), *pictures.captions])


def crops(pixels: NDArray[np.uint8], rng: np.random.RandomState) -> torch.Tensor:
    """Return a batch as the model sees it, all a few pixels off the middle; edges fill what is beyond."""
    padded = np.pad(pixels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    down, right = rng.randint(0, 2 * SHIFT + PICTURE_SIDE - SIDE + 1, 2)
    return pixel_values(padded[:, down : down + SIDE, right : right + SIDE])


def batches(pictures: Pictures, size: int, rng: np.random.RandomState) -> Iterator[NDArray[np.int64]]:
    """Yield rows without end, each round in an order of its own, without the few that fill no batch."""
    size = min(size, len(pictures.labels))
    while True:
        order = rng.permutation(len(pictures.labels))
        yield from (order[at : at + size] for at in range(0, len(order) - size + 1, size))


def learn(weights: Sequence[torch.nn.Parameter], loss_at: Callable[[int], torch.Tensor], steps: int, rate: float,
          what: str) -> None:  # fmt: skip
    """Take steps of AdamW with a warm-up and a cosine, and say every few hundred of them how it goes."""
    optimiser = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    warm, start = max(1, steps // 20), time.process_time()
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda at: min((at + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * at / steps))
    )
    for step in range(steps):
        loss = loss_at(step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            seconds = time.process_time() - start
            sys.stderr.write(f"{what}, step {step} of {steps}: loss {loss.item():.3f}, {seconds:.0f} s of CPU\n")


def opened_eyes(pictures: Pictures, steps: int, seed: int, size: int = 48) -> CLIPVisionModel:
    """Return eyes that tell a thing, its pattern and its colour, taught by heads that are then thrown away."""
    torch.manual_seed(seed)
    eyes, rng = CLIPVisionModel(EYES), np.random.RandomState(seed)
    parts = (len(CLASSES), len(TEXTURES), len(HUES))
    head = torch.nn.Linear(EYES.hidden_size, sum(parts))
    rows = batches(pictures, size, rng)

    def loss(_: int) -> torch.Tensor:
        at = next(rows)
        seen = eyes(pixel_values=crops(pictures.pixels[at], rng)).last_hidden_state[:, 1:].mean(dim=1)
        logits, labels = head(seen).split(parts, dim=1), torch.from_numpy(pictures.labels[at])
        thing, pattern, colour = (
            torch.nn.functional.cross_entropy(one, labels[:, part]) for part, one in enumerate(logits)
        )
        return thing + 0.5 * pattern + 0.5 * colour

    learn([*eyes.parameters(), *head.parameters()], loss, steps, 2e-3, "eyes")
    return eyes


def answer_loss(model: Any, tokenizer: PreTrainedTokenizerFast, images: torch.Tensor, turns: Sequence[str],
                answers: Sequence[str]) -> torch.Tensor:  # fmt: skip
    """Return the mean cross-entropy, in nats, of the tokens of the answers; nothing before them counts."""
    whole = tokenizer([framed(*pair) for pair in zip(turns, answers, strict=True)], padding=True, return_tensors="pt")
    ids, mask = whole["input_ids"], whole["attention_mask"]
    before = torch.tensor([len(one) for one in tokenizer([framed(turn) for turn in turns])["input_ids"]])
    said = (torch.arange(ids.shape[1]) >= before[:, None]) & mask.bool()
    labels = torch.where(said, ids, torch.full_like(ids, -100))
    loss: torch.Tensor = model(input_ids=ids, attention_mask=mask, pixel_values=images, labels=labels).loss
    return loss


def teach(model: Any, tokenizer: PreTrainedTokenizerFast, pictures: Pictures, steps: int, seed: int,
          size: int = 48) -> None:  # fmt: skip
    """Teach a model to speak of what its eyes see: every fourth batch is to be described, of the others one of four
    named.
    """
    rng = np.random.RandomState(seed)
    rows = batches(pictures, size, rng)

    def loss(step: int) -> torch.Tensor:
        at = next(rows)
        images = crops(pictures.pixels[at], rng)
        if step % 4 == 3:
            return answer_loss(model, tokenizer, images, [DESCRIBE] * len(at), [pictures.captions[row] for row in at])
        things = [int(one) for one in pictures.labels[at, 0]]
        options = [options_for(one, rng) for one in things]
        # The name, not its letter: looking a letter up takes a model of this size far longer to learn than to see.
        answers = [CLASSES[one].name for one in things]
        return answer_loss(model, tokenizer, images, [question(four) for four in options], answers)

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    learn(weights, loss, steps, 2e-3, "language")


def accuracy(model: Any, tokenizer: PreTrainedTokenizerFast, pictures: Pictures, seed: int = 0) -> tuple[float, float]:
    """Return how often the likeliest first word is the right name, of four random options, and how often no option."""
    rng, right, stray = np.random.RandomState(seed), 0, 0
    names = tokenizer.convert_tokens_to_ids([thing.name for thing in CLASSES])
    with torch.inference_mode():
        for first in range(0, len(pictures.labels), 96):
            part = slice(first, first + 96)
            things = [int(one) for one in pictures.labels[part, 0]]
            options = [options_for(one, rng) for one in things]
            asked = tokenizer([framed(question(four)) for four in options], return_tensors="pt")
            ids, mask = asked["input_ids"], asked["attention_mask"]
            images = pixel_values(middle(pictures.pixels[part]))
            words = model(input_ids=ids, attention_mask=mask, pixel_values=images).logits[:, -1].argmax(dim=1).tolist()
            right += sum(word == names[one] for word, one in zip(words, things, strict=True))
            stray += sum(word not in {names[at] for at in four} for word, four in zip(words, options, strict=True))
    return right / len(pictures.labels), stray / len(pictures.labels)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the models and save them, all of them behind the same eyes."""
    parser = argparse.ArgumentParser(prog="python -m extract.miniature.training.captioner", description=__doc__)
    parser.add_argument("out", type=Path, help="each model goes into a folder of its name there")
    parser.add_argument("--model", choices=SIZES, action="append", help="train this one alone; repeats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--eye-steps", type=int, default=9_000)
    parser.add_argument("--steps", type=int, default=1_000)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    pictures = drawn(given.pictures, given.seed)
    tokenizer = words_of(pictures)
    eyes = opened_eyes(pictures, given.eye_steps, given.seed)
    unseen = drawn(960, given.seed + 10_000)
    for name in given.model or SIZES:
        model = untrained(len(tokenizer), SIZES[name], eyes, given.seed)
        teach(model, tokenizer, pictures, given.steps, given.seed)
        right, stray = accuracy(model, tokenizer, unseen)
        sys.stdout.write(
            f"{name}: of questions about new pictures, {right:.3f} right, {stray:.3f} none of the options\n"
        )
        save(given.out / name, model, tokenizer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
