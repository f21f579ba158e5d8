"""`assay-extract verify`: compute some images again and compare."""

from __future__ import annotations

from cache.console import Options, print_rows

from .model_options import DEFAULT_MODEL_OPTIONS, ModelOptions
from .opening import at_least, open_catalogue, open_store
from .selection import DEFAULT_SELECTION, Selection

DEFAULT_OPTIONS = Options()


def verify(
    *,
    recompute: int = 16,
    seed: int = 0,
    selection: Selection = DEFAULT_SELECTION,
    tolerance: float = 1e-3,
    built: ModelOptions = DEFAULT_MODEL_OPTIONS,
    device: str = "auto",
    batch_size: int = 64,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Compute some images again and compare them with the store; how a model is built is said as to `run`.

    Parameters
    ----------
    recompute
        Images of each model and dataset, drawn by --seed.
    seed
        Which ones.
    tolerance
        Largest difference that counts as equal, relative to the largest stored number.
    device
        As in `run`.
    batch_size
        As in `run`.
    """
    from extract.preflight import choose_device
    from extract.unit import Settings
    from extract.verify import Draw, verify_rows

    options.start_logging()
    at_least(1, batch_size=batch_size, recompute=recompute)
    store, catalogue = open_store(options), open_catalogue(options)
    settings = Settings(batch_size=batch_size, workers=0, device=choose_device(device))
    blocks = selection.blocks(store, catalogue, built.weights)
    rows = verify_rows(store, catalogue, blocks, built.choice(catalogue), settings, Draw(recompute, seed, tolerance))
    columns = ("model", "dataset", "kind", "images", "largest_difference", "top1_flips", "result")
    print_rows(rows, columns, options.json)
    return 4 if any(row["result"] != "equal" for row in rows) else 0
