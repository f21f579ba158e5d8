"""`assay-extract convert FORMAT`: foreign checkpoints to plain files of tensors; and the commands that derive models.

A checkpoint's result is used by `run --model ... --weights OUT`. Derived models (`convert_*.py`) need no run: they
are made of cached embeddings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from cache import console
from cache.console import Options, log, print_json

from .convert_adapters import clip_adapter, linear_probe, wise_ft_head
from .convert_coop import coop
from .convert_tip_adapter import tip_adapter, tip_adapter_f

if TYPE_CHECKING:
    from extract.converting.artefact import Converted

DEFAULT_OPTIONS = Options()

convert = App(
    name="convert",
    help="Turn foreign checkpoints into files that `run` loads, and cached embeddings into derived models.",
    help_format="plaintext",
)


@convert.command
def flyp(file: Path, *, out: Path, options: Options = DEFAULT_OPTIONS) -> None:
    """Convert a checkpoint of FLYP, a pickled CLIPEncoder; nothing in it is run.

    Parameters
    ----------
    file
        checkpoint_N.pt as FLYP writes it.
    out
        The safetensors file to write.
    """
    from extract.converting.flyp import read_flyp

    options.start_logging()
    _finish(read_flyp(file), out, options)


@convert.command(name="wise-ft")
def wise_ft(zero_shot: Path, fine_tuned: Path, *, alpha: float, out: Path, options: Options = DEFAULT_OPTIONS) -> None:
    """Interpolate the weights of two models of one architecture.

    Parameters
    ----------
    zero_shot
        Safetensors file or state dict of the model before fine-tuning.
    fine_tuned
        The same after it.
    alpha
        0 is the first, 1 the second.
    out
        The safetensors file to write.
    """
    from extract.converting.wise_ft import read_wise_ft

    options.start_logging()
    _finish(read_wise_ft(zero_shot, fine_tuned, alpha), out, options)


@convert.command
def pycontrast(file: Path, *, head: Path, out: Path, options: Options = DEFAULT_OPTIONS) -> None:
    """Join an encoder of PyContrast (PIRL, InsDis, MoCo, MoCov2, InfoMin) and its linear head.

    Parameters
    ----------
    file
        The encoder: a file of PyContrast's model zoo.
    head
        The head: NAME_classifier.pth of model-vs-human's release v0.2.
    out
        The safetensors file to write.
    """
    from extract.converting.pycontrast import read_pycontrast

    options.start_logging()
    _finish(read_pycontrast(file, head), out, options)


@convert.command
def simclr(file: Path, *, out: Path, options: Options = DEFAULT_OPTIONS) -> None:
    """Convert SimCLR's ResNet-50 at widths 1, 2 or 4.

    Parameters
    ----------
    file
        resnet50-1x.pth, -2x or -4x, as simclr-converter writes them.
    out
        The safetensors file to write.
    """
    from extract.converting.simclr import read_simclr

    options.start_logging()
    _finish(read_simclr(file), out, options)


def _finish(converted: Converted, out: Path, options: Options) -> None:
    from extract.converting.artefact import write

    sha256 = write(converted, out)
    command = f"assay-extract run --model {converted.model} --weights {out}"
    if converted.dropped:
        log.info("%d tensors of %s are no part of the model and were left out, the first is %s",
                 len(converted.dropped), converted.sources[0].name, converted.dropped[0])  # fmt: skip
    said: dict[str, Any] = {
        **converted.provenance(),
        "out": str(out),
        "sha256": sha256,
        "tensors": len(converted.tensors),
        "dropped": list(converted.dropped),
        "run": command,
    }
    if options.json:
        print_json(said)
    else:
        console.print_data(f"{out}: {len(converted.tensors)} tensors, sha256 {sha256[:16]}; `{command}`")


convert.command(coop)
convert.command(tip_adapter)
convert.command(tip_adapter_f)
convert.command(clip_adapter)
convert.command(linear_probe)
convert.command(wise_ft_head)
