"""Scores of feature-based detectors on the cells of one classifier, from the embeddings that the cache holds.

Fitted on `imagenet-train-200k` where its embeddings are here, else on the calibration half of the in-distribution set.
Features are held (float32) while they are fitted on; what is scored goes by pack by pack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache.bindings import asked_pairs, bind
from cache.reader import Reader, State
from cache.spaces import Space
from cache.texts import ClassList, read_classes
from cache.views import View
from cache.zero_shot import Head, zero_shot_logits

from .cell import Cell
from .checks import Matrix
from .detectors import HELD_OUT, Detector, Scores
from .feature_detectors import NEED_WEIGHTS, NEIGHBOURS, FeatureDetectors, FitSet, fit_feature_detectors
from .metrics.ood_weights import Weights
from .metrics.recovered_weights import WeightRecovery
from .view_labels import label_columns, view_labels

TRAINING = "imagenet-train-200k"
"""The set that features are fitted on where it is here: a fixed random part of ImageNet's training images."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the features of one set come from.

    head
        What makes logits of features; features are of unit length then.
    logits
        Whether logits are stored beside the features.
    """

    view: View
    label: str
    head: Head | None
    logits: bool


@dataclass(slots=True)
class FeatureDetection:
    """Feature-based detectors of one classifier.

    k
        Neighbour of `knn`.
    notes
        What was left out, and why.
    """

    reader: Reader
    notes: list[str]
    k: int = NEIGHBOURS

    def scores(
        self,
        inside: Cell,
        head: Head | None,
        columns: NDArray[np.int64],
        half: NDArray[np.bool_],
        outside: Sequence[Cell],
        classes: ClassList,
    ) -> Mapping[str, Scores]:
        """Return the scores of the in-distribution set and of the others, by dataset; nothing where features lack.

        Parameters
        ----------
        columns
            `(n,)` column of each in-distribution image's class, -1 where it has none.
        half
            `(n,)` calibration half.
        classes
            What the columns stand for.
        """
        here = [cell for cell in (inside, *outside) if self._has(cell)]
        self.notes += [_say_absent(cell) for cell in (inside, *outside) if cell not in here]
        if inside not in here or len(here) < 2:
            return {}
        own = _source(inside, head)
        trained = self._training(inside, head, classes)
        if trained is not None:
            source, labels = trained
            fitted = self._fit(source, labels, np.ones(len(labels), bool), head)
            variant, test = "train", np.ones(len(half), bool)
        else:
            fitted, variant, test = self._fit(own, columns, half, head), HELD_OUT, ~half
        self.notes += [f"{inside.binding.model}: no {name} ({why})." for name, why in fitted.refused.items()]
        found = {inside.binding.dataset: self._score(own, fitted, variant, test)}
        for cell in here[1:]:
            source = _source(cell, head)
            found[cell.binding.dataset] = self._score(source, fitted, variant, np.ones(cell.view.table.height, bool))
        return found

    def _has(self, cell: Cell) -> bool:
        if cell.predicted or not cell.view.table.height:
            return False
        return self._here("embeddings", cell.view, cell.binding.label)

    def _here(self, kind: str, view: View, label: str) -> bool:
        space = self.reader.store.space(label)
        packs = self.reader.needed_packs(self.reader.followed(kind, space, view))
        return all(self.reader.state(self.reader.unit(kind, space, pack)) is State.HERE for pack in packs)

    def _training(self, inside: Cell, head: Head | None, classes: ClassList) -> tuple[Source, NDArray[np.int64]] | None:
        store = self.reader.store
        requests = asked_pairs(store).get((inside.binding.model, TRAINING))
        if requests is None:
            return None
        binding = bind(store, requests, (inside.binding.label,))
        view = store.version(TRAINING)
        if binding.label != inside.binding.label or not self._here("embeddings", view, binding.label):
            return None
        if not view.classes:
            return None
        ours = read_classes(store.disk, store.layout, view.classes)
        labels, columns = view_labels(view, len(ours.keys)), label_columns(ours, classes)
        logits = head is None and self._here("logits", view, binding.label)
        return Source(view, binding.label, head, logits), np.where(labels >= 0, columns[labels], -1)

    def _fit(
        self, source: Source, labels: NDArray[np.int64], wanted: NDArray[np.bool_], head: Head | None
    ) -> FeatureDetectors:
        parts: list[Matrix] = []
        energies: list[NDArray[np.float64]] = []
        largest: list[NDArray[np.float64]] = []
        recovery = WeightRecovery()
        places: list[NDArray[np.int64]] = []
        for index, features, logits in self._rows(source, wanted):
            parts.append(features)
            places.append(index)
            if logits is not None:
                top = logits.max(axis=1).astype(np.float64)
                largest.append(top)
                energies.append(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))
                if head is None:
                    recovery.put(features, logits)
        if not parts:
            return FeatureDetectors()
        whole = len(energies) == len(parts)
        given = FitSet(
            features=np.concatenate(parts),
            labels=labels[np.concatenate(places)],
            energies=np.concatenate(energies) if whole else None,
            max_logits=np.concatenate(largest) if whole else None,
        )
        weights = self._recovered(source, recovery) if head is None else _of_head(head)
        return fit_feature_detectors(given, weights, self.k)

    def _recovered(self, source: Source, recovery: WeightRecovery) -> Weights | None:
        # A store holds what goes into a classifier's last layer and what comes out, not the layer.
        try:
            return recovery.weights()
        except ValueError as error:
            self.notes.append(f"{source.label}: no {', '.join(NEED_WEIGHTS)}: {error}.")
            return None

    def _score(self, source: Source, fitted: FeatureDetectors, variant: str, wanted: NDArray[np.bool_]) -> Scores:
        n = source.view.table.height
        found = {name: np.full(n, np.nan) for name in fitted.scorers}
        if source.head is None and not source.logits:
            found = {name: values for name, values in found.items() if name != "nnguide"}
        for index, features, logits in self._rows(source, wanted):
            for name, values in found.items():
                values[index] = fitted.scorers[name](features, logits)
        return {Detector(name, "", variant): values for name, values in found.items()}

    def _rows(
        self, source: Source, wanted: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], Matrix, Matrix | None]]:
        """Yield places in the view, features and logits of the usable images that are wanted, pack by pack."""
        space = self.reader.store.space(source.label)
        view = self.reader.followed("embeddings", space, source.view)
        for pack, (index, rows) in self.reader.positions(view).items():
            keep = wanted[index]
            if not keep.any():
                continue
            index, rows = index[keep], rows[keep]
            stored = self._segments("embeddings", space, pack)[rows]
            length = np.linalg.norm(stored, axis=1, keepdims=True)
            usable = np.isfinite(stored).all(axis=1) & (length[:, 0] > 0)
            logits = None
            if source.head is not None:
                logits = zero_shot_logits(stored[usable], source.head)
                stored = stored / np.where(length > 0, length, 1.0)
            elif source.logits:
                values = self._segments("logits", space, pack)[rows]
                usable &= np.isfinite(values).all(axis=1)
                logits = values[usable]
            if usable.any():
                yield index[usable], stored[usable], logits

    def _segments(self, kind: str, space: Space, pack: str) -> Matrix:
        parts = [values for _, values in self.reader.segments(self.reader.unit(kind, space, pack))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _of_head(head: Head) -> Weights:
    scaled = head.scale * head.weights.astype(np.float64)
    return Weights(scaled, np.full(scaled.shape[1], head.bias))


def _source(cell: Cell, head: Head | None) -> Source:
    return Source(cell.view, cell.binding.label, head, head is None and cell.kind == "logits" and not cell.from_scores)


def _say_absent(cell: Cell) -> str:
    binding = cell.binding
    return (
        f"{binding.model} on {binding.dataset}: its embeddings are not (all) here, so it has no feature-based "
        f"detectors; `assay-extract run --model {binding.model} --dataset {binding.dataset} --kinds embeddings` "
        "extracts them."
    )
