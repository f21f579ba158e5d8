"""`python -m extract.miniature.training OUT`: train the models of the plan, one folder each."""

from __future__ import annotations

import argparse
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from .plan import MODELS, Training
from .running import begun, train


def main() -> None:
    """Parse the arguments and train what is not there yet."""
    parser = argparse.ArgumentParser(prog="python -m extract.miniature.training", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of model folders, e.g. manifests/miniature/weights")
    parser.add_argument("--only", nargs="*", default=[], help="ids of models; those that they begin with come along")
    parser.add_argument("--work", type=Path, default=Path("miniature-work"), help="pictures and unfinished steps")
    parser.add_argument("--jobs", type=int, default=2, help="models at once, one thread each")
    asked = parser.parse_args()
    todo = _with_starts(asked.only) if asked.only else list(MODELS)
    kept = [one for one in todo if one.kept and (asked.out / one.id).is_dir()]
    if foreign := [asked.out / one.id for one in kept if not begun(one, asked.work)]:
        raise SystemExit(
            f"{foreign[0]} was not trained with --work {asked.work}, and stays as it is; give another OUT."
        )
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        running: dict[Future[dict[str, object]], Training] = {}
        done: set[str] = set()
        while todo or running:
            ready = [one for one in todo if not one.start or one.start in done]
            for one in ready[: asked.jobs - len(running)]:
                todo.remove(one)
                running[pool.submit(train, one, asked.out, asked.work)] = one
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                done.add(running.pop(future).id)


def _with_starts(names: list[str]) -> list[Training]:
    known = {one.id: one for one in MODELS}
    if unknown := sorted(set(names) - set(known)):
        raise SystemExit(f"no model {', '.join(unknown)} in the plan; known are {', '.join(known)}")
    wanted = set(names)
    while more := {known[name].start for name in wanted if known[name].start} - wanted:
        wanted |= more
    return [one for one in MODELS if one.id in wanted]


if __name__ == "__main__":
    main()
