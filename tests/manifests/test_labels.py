from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from manifests.catalogue import load

SPACE = load().labels["imagenet-1k"]


def test_the_1000_classes_are_in_the_order_of_sorted_wordnet_ids() -> None:
    assert len(SPACE.keys) == len(SPACE.names) == 1000
    assert list(SPACE.keys) == sorted(SPACE.keys)
    assert (SPACE.keys[0], SPACE.names[0]) == ("n01440764", "tench")
    assert (SPACE.keys[999], SPACE.names[999]) == ("n15075141", "toilet paper")
    assert SPACE.index_of("n15075141") == 999


def test_the_names_are_those_of_openai() -> None:
    golden = "571ae1c583b4be7da87519494c52bf405a46af05d5815627c7a0dee997068b60"
    assert hashlib.sha256("\n".join(SPACE.names).encode("utf-8")).hexdigest() == golden


def test_the_two_pairs_of_classes_with_one_name() -> None:
    repeated = {name: [i for i, other in enumerate(SPACE.names) if other == name] for name in set(SPACE.names)}
    assert {name: columns for name, columns in repeated.items() if len(columns) > 1} == {
        "missile": [657, 744],
        "sunglasses": [836, 837],
    }


def test_wordnet_ids_and_columns_agree_with_labelled_photographs(shared: Path) -> None:
    with (shared / "images" / "labels.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) >= 100
    assert all(SPACE.index_of(row["wnid"]) == int(row["class_index"]) for row in rows)
