"""`--weights DIR` for several models: a folder that holds one entry a model, named by its id.

`DIR/<id>/` is a model as its library saves one; `DIR/<id>.safetensors` are weights for the architecture that the
manifest names.
Knows names of files and manifests; opens no weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from manifests.derived import is_converted
from manifests.errors import UsageError
from manifests.schema import Model

from .obtainable import needs_a_file
from .saved_models import CONFIGS

SUFFIX: Final = ".safetensors"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """A folder of entries."""

    path: Path

    def entry(self, model: str) -> str:
        """Return the path of a model's entry; "" where it has none.

        Raises
        ------
        UsageError
            When it has two.
        """
        saved, file = self.path / model, self.path / f"{model}{SUFFIX}"
        found = [str(path) for path, here in ((saved, saved.is_dir()), (file, file.is_file())) if here]
        if len(found) > 1:
            raise UsageError(f"--weights {self.path} holds {model} twice, {' and '.join(found)}; take one away.")
        return found[0] if found else ""

    def check(self, names: Collection[str], models: Mapping[str, Model]) -> None:
        """Check that a folder is about models, and has those that nothing else brings.

        Parameters
        ----------
        names
            Models that a command is about; names without a manifest are not looked for.

        Raises
        ------
        UsageError
            Listing all whose weights are for the user to bring and that have no entry; or when no entry of the folder
            is named by a model.
        """
        if not any(self.entry(name) for name in models):
            raise UsageError(
                f"--weights {self.path} is neither a saved model ({' or '.join(CONFIGS)}) nor a folder of several: no "
                f"entry is called <model id>/ or <model id>{SUFFIX}."
            )
        lacking = [name for name in dict.fromkeys(names) if name in models and needs_a_file(models[name])]
        lacking = [name for name in lacking if not is_converted(models[name])]
        lacking = [name for name in lacking if not self.entry(name)]
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            raise UsageError(
                f"--weights {self.path} has no entry for {', '.join(lacking[:_SHOWN])}{more}, whose weights no library "
                f"brings. Expected {lacking[0]}/ as the library saves a model, or {lacking[0]}{SUFFIX}; --model limits "
                f"the command to others. {models[lacking[0]].recipe}".rstrip()
            )


def weights_folder(weights: str) -> WeightsFolder | None:
    """Return the folder of entries that `--weights` names; None for a file, a saved model or another source."""
    path = Path(weights)
    if not weights or not path.is_dir() or any((path / name).is_file() for name in CONFIGS):
        return None
    return WeightsFolder(path)
