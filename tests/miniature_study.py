"""`python -m tests.miniature_study FOLDER`: the whole study in little, from drawing its images to its page.

Every step is an ordinary command, printed before it is run; nothing else happens here. What is done already is found
done: a second time nothing is extracted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Step = Sequence[Sequence[str]]
"""Commands that may run at the same time."""

HERE = Path(__file__).parent.parent
MANIFESTS = HERE / "manifests" / "miniature"
WEIGHTS = MANIFESTS / "weights"
PLANTED_IN = ("mini-imagenet-val", "mini-imagenet-x", "mini-objectnet", "mini-cue-conflict")
"""Sets in which effects were planted."""

READ = (
    "mini-clip-efficientnet.*,mini-clip-byobnet.?-24k,mini-clip-byobnet.*-long,mini-clip-byobnet.*-short,"
    "mini-*.in-*k,mini-*.clip-b-*"
)
"""Models that planted effects are about, or are measured from."""

HALVES = ("mini-clip-efficientnet.*,mini-clip-byobnet.*", "mini-clip-vit.*,mini-[bemv]*")
"""Two extractors share the work: small models leave a core idle while images are decoded."""

STUDY = "miniature"
TWINS = "miniature-twins"
BASE = "mini-clip-byobnet.a-24k"
"""The model whose cached embeddings take a learned context and a cache of shots."""

SHOTS = "mini-imagenet-train-16shot"
NOT_ASKED = {SHOTS, "mini-flickr30k", "mini-mscoco", "mini-navi", "mini-scannet", "mini-spair-71k", "mini-imagenet-d"}
"""Sets on which no classifier is read."""


def commands(folder: Path, datasets: Sequence[str], *, seed: int = 0, share: int = 1) -> Iterator[Step]:
    """Yield the steps in their order; `share` draws one in so many images. Commands of one step run side by side."""
    world, questions = folder / "world", folder / "questions.jsonl"
    weights = ["--weights", str(WEIGHTS)]
    classified = [word for name in datasets if name not in NOT_ASKED for word in ("--dataset", name)]
    yield from _drawing(world, datasets, seed, share)
    indexed = []
    for name in datasets:
        shots = ["--annotations", str(world / name / "imagenet_train_16shot.txt")] if name == SHOTS else []
        indexed.append(["assay-extract", "index", name, "--root", str(world / name), *shots])
    yield from (indexed[at : at + 2] for at in range(0, len(indexed), 2))
    run = ["assay-extract", "run", "--study", STUDY, *weights, "--batch-size", "256", "--model"]
    yield [[*run, half] for half in HALVES]
    yield [_coop(classified), _tip_adapter(classified)]
    yield [["assay-analyze", "questions", "--dataset", "mini-imagenet-d", "--orders", "1", "--out", str(questions)]]
    asking = ["assay-extract", "run", "--study", STUDY, "--kinds", "records", "--questions", str(questions), *weights]
    yield [["assay-extract", "match", "--study", STUDY, *weights], asking]
    # The page scores what is here, writes results.parquet beside itself, and answers the claims in it.
    yield [["assay-analyze", "report", "--study", STUDY, "--out", str(folder)]]
    yield [_claims(folder)]


def _drawing(world: Path, datasets: Sequence[str], seed: int, share: int = 1) -> Iterator[Step]:
    """Yield the drawing of the sets that are not there, and refuse to go on with a world of another seed or size."""
    drawn, wanted = world / "drawn.txt", f"--seed {seed} --share {share}"
    if drawn.is_file() and drawn.read_text("utf-8") != wanted:
        raise SystemExit(f"{world} was drawn with {drawn.read_text('utf-8')}, not {wanted}: take another folder.")
    lacking = [word for name in datasets if not (world / name).is_dir() for word in ("--only", name)]
    if lacking:
        world.mkdir(parents=True, exist_ok=True)
        drawn.write_text(wanted, "utf-8")
        yield [[sys.executable, "-m", "extract.miniature.generate", str(world), *wanted.split(), *lacking]]


def _coop(classified: Sequence[str]) -> list[str]:
    context = str(WEIGHTS / f"{BASE}-coop" / "prompt_learner.pth.tar")
    names = ["--base", BASE, "--model", f"{BASE}-coop", "--classes", "mini-24", "--weights", str(WEIGHTS / BASE)]
    return ["assay-extract", "convert", "coop", context, *names, *classified]


def _tip_adapter(classified: Sequence[str]) -> list[str]:
    names = ["--base", BASE, "--model", f"{BASE}-tip", "--shots", SHOTS, "--prompts", "openai-80"]
    return ["assay-extract", "convert", "tip-adapter", *names, *classified]


def judged(folder: Path, seed: int) -> Iterator[Step]:
    """Yield the steps to the planted effects alone, on evaluation sets of another seed."""
    world, results = folder / "world", str(folder / "results.parquet")
    only = [word for name in PLANTED_IN for word in ("--dataset", name)]
    yield from _drawing(world, PLANTED_IN, seed)
    for name in PLANTED_IN:
        yield [["assay-extract", "index", name, "--root", str(world / name)]]
    of_study = ["--study", STUDY, *only, "--model", READ]
    yield [["assay-extract", "run", *of_study, "--weights", str(WEIGHTS), "--batch-size", "256"]]
    yield [["assay-analyze", "score", *of_study, "--out", results]]
    yield [_claims(folder)]


def _claims(folder: Path) -> list[str]:
    table = ["--table", str(folder / "results.parquet")]
    return ["assay-analyze", "claims", "--study", STUDY, *table, "--out", str(folder / "claims.parquet")]


def twins(folder: Path, datasets: Sequence[str]) -> Iterator[Step]:
    """Yield what tells how often nothing is taken for something: models that differ in nothing but the seed."""
    asked = [name for name in datasets if name not in {*NOT_ASKED, "mini-imagenet-3dcc"}]
    only = ["--study", TWINS, *(word for name in asked for word in ("--dataset", name))]
    yield [["assay-extract", "run", *only, "--weights", str(WEIGHTS), "--batch-size", "256"]]
    yield [["assay-analyze", "score", *only, "--out", str(folder / "twins.parquet")]]


def environment(folder: Path, step: Step) -> Mapping[str, str]:
    """Return what the commands find their store and manifests by, instead of an option each."""
    threads = {"OMP_NUM_THREADS": "1"} if len(step) > 1 else {}
    return {**os.environ, **threads, "ASSAY_STORE": str(folder / "store"), "ASSAY_MANIFESTS": str(MANIFESTS)}


def located(command: Sequence[str]) -> list[str]:
    """Return a command with its program as it stands beside this Python, wherever the shell looks for programs."""
    program = Path(sys.executable).parent / command[0]
    return [str(program) if program.is_file() else command[0], *command[1:]]


def main() -> None:
    """Run the steps, and stop at the first that fails."""
    from extract.miniature.generate import SETS

    parser = argparse.ArgumentParser(prog="python -m tests.miniature_study", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the evaluation sets")
    parser.add_argument("--share", type=int, default=1, help="draw one in so many images")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for step in commands(asked.folder.resolve(), list(SETS), seed=asked.seed, share=asked.share):
        for command in step:
            sys.stderr.write(f"[{time.monotonic() - start:4.0f} s] {' '.join(command)}\n")
        env = environment(asked.folder.resolve(), step)
        running = [subprocess.Popen(located(command), env=env) for command in step]
        if failed := [one for one in running if one.wait()]:
            raise SystemExit(failed[0].returncode)
    sys.stderr.write(f"[{time.monotonic() - start:4.0f} s] done: open {asked.folder / 'report.html'}\n")


if __name__ == "__main__":
    main()
