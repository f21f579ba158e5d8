"""Speed as ratios, side by side in one run: `nox -s bench`. A benchmark is never a timed test.

Every row has what was done, how long it took, what the yardstick took in the same process, and their ratio.
Medians of interleaved repetitions; absolute figures move from day to day, ratios less.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analyze.metrics.detection import auroc, fpr_at_tpr
from analyze.metrics.retrieval import retrieval_ranks
from analyze.metrics.softmax import summarize
from analyze.metrics.temperature import fit_temperature
from analyze.trend import huber_lines
from cache.commits import Unit, write_commit
from cache.packs import SCHEMA, write_pack
from cache.reader import Reader
from cache.runs import versions
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store


@dataclass(frozen=True)
class Row:
    """One comparison; `ratio` is ours over the yardstick, below 1 is faster."""

    task: str
    ours_ms: float
    yardstick: str
    yardstick_ms: float
    ratio: float
    target: str


def compare(
    task: str, ours: Callable[[], object], yardstick: str, theirs: Callable[[], object], target: str, times: int = 5
) -> Row:
    """Time two things in turn."""
    ours(), theirs()
    mine, other = [], []
    for _ in range(times):
        for function, into in ((ours, mine), (theirs, other)):
            start = time.perf_counter()
            function()
            into.append(1e3 * (time.perf_counter() - start))
    a, b = statistics.median(mine), statistics.median(other)
    return Row(task, round(a, 2), yardstick, round(b, 2), round(a / b, 3), target)


def reading(folder: Path, logits: np.ndarray) -> Iterator[Row]:
    """T6: a verified read from the store against np.load."""
    import polars as pl

    store, _ = Store.create(folder / "store")
    space = Space({"library": "bench", "architecture": {"name": "bench"}}, {})
    packs = []
    with store.stage() as staged:
        write_space(staged, space)
        for start in range(0, len(logits), 4096):
            part = logits[start : start + 4096]
            ids = [hashlib.sha256(str(start + at).encode()).hexdigest() for at in range(len(part))]
            pack = write_pack(
                staged, "image", pl.DataFrame([(i, 0, 0, 0, "") for i in ids], schema=SCHEMA, orient="row")
            )
            unit = Unit("logits", space.id, space.label, pack)
            write_commit(staged, unit, list(array_segments("logits", space.id, pack, part)), [], "bench")
            packs.append(pack)
    np.save(folder / "logits.npy", logits)

    def read() -> None:
        reader = Reader(store)
        for pack in packs:
            for _, values in reader.segments(reader.unit("logits", space, pack)):
                assert len(values)

    yield compare(f"T6 read {len(logits)} x {logits.shape[1]} float32, verified", read, "np.load",
                  lambda: np.load(folder / "logits.npy"), "<= 3")  # fmt: skip


def arithmetic(logits: np.ndarray, labels: np.ndarray) -> Iterator[Row]:
    """T7, T8, T9, T11."""
    import torch
    from sklearn.metrics import roc_auc_score, roc_curve
    from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

    tensor, target = torch.from_numpy(logits), torch.from_numpy(labels)
    classes = logits.shape[1]

    def torchmetrics() -> None:
        probabilities = tensor.softmax(1)
        for metric in (
            MulticlassAccuracy(classes, average="micro"),
            MulticlassAccuracy(classes, top_k=5, average="micro"),
            MulticlassCalibrationError(classes, n_bins=15),
        ):
            metric.update(probabilities, target)
            metric.compute()

    yield compare("T7 top-1/5, NLL, Brier, confidence, energy in one pass", lambda: summarize(logits, labels),
                  "torchmetrics, fewer metrics", torchmetrics, "<= 1/7", 3)  # fmt: skip

    def lbfgs() -> None:
        temperature = torch.nn.Parameter(torch.ones(1) * 1.5)
        optimizer = torch.optim.LBFGS([temperature], lr=0.01, max_iter=50)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(tensor / temperature, target)
            loss.backward()
            return loss

        optimizer.step(closure)

    yield compare("T8 temperature, exact", lambda: fit_temperature(logits, labels), "L-BFGS, 50 iterations", lbfgs,
                  "<= 1/100", 1)  # fmt: skip
    scores = logits.max(1).astype(np.float64)
    ours, theirs = scores[: len(scores) * 5 // 6], scores[len(scores) * 5 // 6 :] - 0.5
    truth = np.r_[np.ones(len(ours)), np.zeros(len(theirs))]
    both = np.r_[ours, theirs]
    yield compare("T11 AUROC and FPR at 95 %", lambda: (auroc(ours, theirs), fpr_at_tpr(ours, theirs)), "scikit-learn",
                  lambda: (roc_auc_score(truth, both), roc_curve(truth, both)), "<= 1/8")  # fmt: skip


def trends() -> Row:
    """T9: bootstrapped Huber lines against a statsmodels loop (100 of them, scaled)."""
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = 0.8 * x + 0.1 * rng.standard_t(3, 200)
    picks = rng.integers(0, 200, (1000, 200))

    def loop() -> None:
        for pick in picks[:100]:
            sm.RLM(y[pick], sm.add_constant(x[pick]), M=sm.robust.norms.HuberT()).fit()

    row = compare("T9 1,000 bootstrapped Huber lines", lambda: huber_lines(x[picks], y[picks]),
                  "statsmodels, 100 of them times 10", loop, "<= 1/20", 3)  # fmt: skip
    return Row(row.task, row.ours_ms, row.yardstick, 10 * row.yardstick_ms, round(row.ratio / 10, 4), row.target)


def retrieval(images: int) -> Row:
    """T10: ranks of both directions, which give every k, against the bare product of the embeddings."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((images, 512)).astype(np.float32)
    owner = np.repeat(np.arange(images), 5)
    text = (image[owner] + 8 * rng.standard_normal((5 * images, 512))).astype(np.float32)
    return compare(f"T10 retrieval ranks, {images} images and {5 * images} captions",
                   lambda: retrieval_ranks(image, text, owner), "the bare product", lambda: text @ image.T,
                   "<= 2.2", 3)  # fmt: skip


def published() -> Row:
    """A trend of the published numbers, from the command line to the table, against an empty process."""
    command = [
        sys.executable,
        "-m",
        "analyze",
        "trend",
        "--published",
        "--x",
        "imagenet-val",
        "--y",
        "imagenet-r",
        "-q",
    ]

    def ours() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def theirs() -> None:
        subprocess.run([sys.executable, "-c", "import polars, scipy.stats"], check=True)

    return compare("trend --published, ImageNet against ImageNet-R", ours, "importing polars and scipy", theirs, "-", 3)


def indexing(folder: Path) -> Row:
    """T5: indexing against sha256 of the same files."""
    from extract.index import IndexRequest, index
    from manifests.catalogue import load

    rng = np.random.default_rng(0)
    photos = folder / "photos"
    photos.mkdir()
    for at in range(400):
        pixels = np.kron(rng.integers(0, 256, (30, 40, 3), np.uint8), np.ones((12, 12, 1), np.uint8))
        Image.fromarray(pixels).save(photos / f"{at:04}.jpg", quality=95)
    catalogue, count = load(), iter(range(1000))

    def ours() -> None:
        store, _ = Store.create(folder / f"index-{next(count)}")
        index(store, catalogue, IndexRequest(dataset="photos", root=photos, threads=os.cpu_count() or 1))

    def theirs() -> None:
        for path in photos.iterdir():
            hashlib.sha256(path.read_bytes()).hexdigest()

    return compare("T5 index 400 JPEG files", ours, "sha256 of the same files", theirs, "<= 1/0.7", 3)


def page() -> dict[str, object]:
    """Size and speed of the report in Chromium, against the budgets of the page; empty where there is no browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        return {}
    from tests.browser.budget import measure
    from tests.browser.conftest import ARGUMENTS
    from tests.browser.pages import write_page

    program = os.environ.get("ASSAY_CHROMIUM") or shutil.which("chromium")
    if program is None:
        return {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        start = time.perf_counter()
        file = write_page(Path(name))
        built = time.perf_counter() - start
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        found = asdict(measure(browser, file))
        browser.close()
    return {"built_s": round(built, 1), **found}


def main() -> None:
    """Run everything and write `bench.json` and `bench.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench"))
    parser.add_argument("--images", type=int, default=50_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(options.images, 1000)).astype(np.float32)
    labels = rng.integers(0, 1000, options.images)
    logits[np.arange(options.images), labels] += 4
    with tempfile.TemporaryDirectory() as name:
        rows = [
            *reading(Path(name), logits),
            *arithmetic(logits, labels),
            trends(),
            retrieval(options.images // 10),
            published(),
            indexing(Path(name)),
        ]
    about = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "allocator": "jemalloc" if "jemalloc" in os.environ.get("LD_PRELOAD", "") else "the system's",
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(
        json.dumps({"about": about, "rows": [asdict(r) for r in rows], "page": page()}, indent=1)
    )
    lines = ["| task | ours, ms | yardstick | its ms | ratio | target |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.task} | {r.ours_ms} | {r.yardstick} | {r.yardstick_ms} | {r.ratio} | {r.target} |" for r in rows]
    (options.out / "bench.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
