"""Which command is named depends on where the numbers of a space came from."""

from __future__ import annotations

import pytest

from cache.remedies import command, remedy
from cache.spaces import Space

TIMM = Space({"library": "timm"}, {})
INGESTED = Space({"library": "ingested"}, {})
TIP = Space({"library": "derived", "adapter": "tip-adapter-f"}, {})


@pytest.mark.parametrize(
    ("space", "kind", "expected"),
    [
        (TIMM, "logits", "`assay-extract run --model M --dataset D` extracts them."),
        (TIMM, "heads", "`assay-extract run --model M --kinds text --prompts P` encodes them (no image pass)."),
        (INGESTED, "logits", "`assay-cache ingest --model M --dataset D --kind logits FILE` again brings them."),
        (
            TIP,
            "logits",
            "`assay-extract convert tip-adapter-f ... --base B --model M --dataset D` and the options of that time "
            "make them.",
        ),
    ],
)
def test_what_was_never_here(space: Space, kind: str, expected: str) -> None:
    assert remedy(kind, space, lost=False) == expected


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (TIMM, "`assay-extract run` again."),
        (INGESTED, "`assay-cache ingest --model M --dataset D --kind logits FILE` again."),
        (TIP, "`assay-extract convert tip-adapter-f ... --base B --model M --dataset D` and the options of that time."),
    ],
)
def test_what_was_lost_is_repaired_first(space: Space, words: str) -> None:
    said = remedy("logits", space, lost=True)
    assert said == f"Their record is here but their data are gone: `assay-cache repair`, then {words}"


def test_a_command_that_can_be_copied() -> None:
    assert command("embeddings", TIMM, "net", "toys") == "assay-extract run --model net --dataset toys"
    assert command("records", INGESTED, "vlm", "toys").endswith("--dataset toys --kind records FILE")
    made = command("logits", TIP, "mine", "toys", base="ViT-B-32.openai")
    assert made == "assay-extract convert tip-adapter-f ... --base ViT-B-32.openai --model mine --dataset toys"
