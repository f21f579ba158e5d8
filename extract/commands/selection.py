"""The options that say which models, datasets and kinds a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from manifests.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cache.store import Store
    from extract.blocks import Block
    from manifests.catalogue import Catalogue

Names = list[str] | None


def many(help: str = "") -> Parameter:
    """Return an option that repeats."""
    return Parameter(negative="", consume_multiple=False, help=help)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which work is meant."""

    model: Annotated[
        Names,
        many(
            "Ids, globs, timm:<arch>, open_clip:<arch>/<tag>, hf-hub:ORG/NAME, local-dir:DIR, FILE.py:OBJECT, or a "
            "backbone that an installed package announces."
        ),
    ] = None
    dataset: Annotated[Names, many("Indexed datasets; none means all.")] = None
    kinds: Annotated[
        Names,
        many(
            "logits, embeddings, patches; text or heads alone: prompts of a zero-shot model, no image is read. None "
            "means what the model's metrics need. records alone: --questions to a language model."
        ),
    ] = None
    prompts: Annotated[
        Names,
        many("Prompt sets of zero-shot models: ids, globs, a .toml or .json file, or NAME=FILE; none means openai-80."),
    ] = None
    study: Annotated[str, Parameter(help="Everything that a study names; the other options limit it.")] = ""

    def blocks(self, store: Store, catalogue: Catalogue, weights: str | None = None) -> list[Block]:
        """Return what was named; a study has several blocks, and the other options limit them.

        Parameters
        ----------
        weights
            As --weights was given: a folder may bring models that no library brings.

        Raises
        ------
        UsageError
            When there is no such study, or it does not hold what was named; when a folder of weights lacks models
            that nothing else brings.
        """
        from extract.study_blocks import EXTRACTED
        from manifests.selection import split_patterns

        if not self.study:
            kinds = split_patterns(self.kinds) if self.kinds else ()
            return [(self.model or (), self.dataset or (), kinds, self.prompts or ())]
        return self.study_blocks(store, catalogue, weights, EXTRACTED)

    def study_blocks(
        self, store: Store, catalogue: Catalogue, weights: str | None, made: Sequence[str], limits: bool = True
    ) -> list[Block]:
        """Return the blocks of the study that ask for what a command makes; see `blocks`.

        Parameters
        ----------
        made
            The kinds that it makes.
        limits
            Whether kinds and prompts limit them as well.
        """
        from extract.obtainable import obtainable_blocks, without_derived
        from extract.study_blocks import study_blocks
        from extract.weights_folder import weights_folder
        from manifests.selection import split_patterns

        if self.study not in catalogue.studies:
            raise UsageError(f"no study {self.study!r}; the manifests have {', '.join(catalogue.studies)}.")
        blocks = study_blocks(
            catalogue.studies[self.study],
            catalogue.models,
            {*store.datasets(), *catalogue.datasets},
            catalogue.prompts,
            only_models=self.model or (),
            only_datasets=self.dataset or (),
            only_kinds=split_patterns(self.kinds) if self.kinds and limits else (),
            only_prompts=(self.prompts or ()) if limits else (),
            made=made,
        )
        folder = weights_folder(weights or "")
        if folder is not None:
            blocks = without_derived(blocks, catalogue.models, self.study)
            # All that is lacking at once, before the first block begins.
            folder.check([name for block in blocks for name in block[0]], catalogue.models)
            return blocks
        return blocks if self.model else obtainable_blocks(blocks, catalogue.models, self.study)


DEFAULT_SELECTION = Selection()
