"""The options that say how the named models are built: those that make another space of the same model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from extract.resolve import Choice
    from manifests.catalogue import Catalogue


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How to build a model; what is left empty is the library's own."""

    weights: Annotated[
        str | None,
        Parameter(
            help="A safetensors file or state dict, hf-hub:ORG/NAME, random:SEED, a folder as the library saves a "
            "model; or, for several models, a folder with an entry <model id>/ or <model id>.safetensors for each."
        ),
    ] = None
    classes: Annotated[
        Path | None,
        Parameter(
            help="One class a line, in the order of the logit columns; or the id of a label space. For a zero-shot "
            "model the classes to tell apart, instead of the dataset's own."
        ),
    ] = None
    name: Annotated[str, Parameter(name="--as", help="What tables will call the model.")] = ""
    image_size: Annotated[int | None, Parameter(help="Side of the input; another size is another space.")] = None
    interpolation: Annotated[str, Parameter(help="bilinear, bicubic, ...; another one is another space.")] = ""
    geometry: Annotated[
        str,
        Parameter(
            help="native; or HEIGHTxWIDTH such as 512x512, 480x640, 800x800: the whole image is resized to it without "
            "a crop and framed to whole patches. Another one is another space, and --kinds is patches unless given."
        ),
    ] = "native"
    layers: Annotated[
        str, Parameter(help="Patches are those of the last layer, or of four, concatenated; another space.")
    ] = "last"
    normalise: Annotated[
        str, Parameter(help="Pixels by the model's mean and std, or by those of probe3d for this geometry.")
    ] = "model"
    dtype: Annotated[str, Parameter(help="Compute dtype; another one is another space.")] = "float32"
    offline: Annotated[bool, Parameter(negative="", help="Never ask a hub.")] = False

    def choice(self, catalogue: Catalogue) -> Choice:
        """Return the choice, with the classes read."""
        from cache.class_file import class_list, read_classes_file
        from extract.backbones.geometry import parse_geometry
        from extract.resolve import Choice

        if self.classes is None:
            listed = None
        elif str(self.classes) in catalogue.labels:
            listed = class_list(catalogue.labels[str(self.classes)])
        else:
            listed = read_classes_file(self.classes)
        return Choice(
            weights=self.weights or "",
            classes=listed,
            name=self.name,
            image_size=self.image_size,
            interpolation=self.interpolation,
            dtype=self.dtype,
            offline=self.offline,
            geometry=parse_geometry(self.geometry, self.layers, self.normalise),
        )


DEFAULT_MODEL_OPTIONS = ModelOptions()
