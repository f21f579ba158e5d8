"""A world of four classes that is nobody's: its manifests, its test sets in the official arrangements, its models."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.extract.pictures import picture

KEYS = ("n90000000", "n90000001", "n90000002", "n90000003")
NAMES = ("ant", "bee", "cat", "dog")
FACTORS = ("pose", "style")
OBJECTS = {"Insect": (0, 1), "cat_lying": (2,)}
SEVERAL = ("fog_3d", "flash")
EACH = 4


def write_manifests(folder: Path) -> Path:
    """Write everything that a user says of the world; return the folder."""
    listed = {"keys": KEYS, "names": NAMES}
    _toml(folder / "labels", id="own-4", title="Four", source="none", **listed)
    half = {"keys": KEYS[:2], "names": NAMES[:2], "over": "own-4", "members": [[0], [1]]}
    _toml(folder / "labels", id="own-half", title="Two", source="none", **half)
    other = {"keys": KEYS[2:], "names": NAMES[2:], "over": "own-4", "members": [[2], [3]]}
    _toml(folder / "labels", id="own-rest", title="Two", source="none", **other)
    joined = {"keys": tuple(OBJECTS), "names": tuple(OBJECTS), "over": "own-4", "members": list(OBJECTS.values())}
    _toml(folder / "labels", id="own-objects", title="Joined", source="none", **joined)
    words = {"keys": NAMES, "names": NAMES, "over": "own-4", "members": [[0], [1], [2], [3]]}
    _toml(folder / "labels", id="own-words", title="Words", source="none", **words)
    _toml(folder / "labels", id="own-asked", title="Asked", source="none", by_own_names=True, **words)
    reading = {"annotations": "own_factors.jsonl", "prototypes": "kept", "images": 8, "counts": {"pose": 4, "style": 4}}
    said = {"factors": FACTORS, "prototype_list": "prototypes.csv", "readings": {"w-x": reading}}
    _toml(folder / "factors", id="own-x", title="X", source="none", licence="MIT", **said)
    for name, layout, space, protocols, more in (
        ("w-val", "imagenet-val-wnid", "own-4", ["4-way"], {"role": "id"}),
        ("w-v2", "imagenet-v2-folders", "own-4", ["4-way"], {}),
        ("w-r", "wnid-folders", "own-half", ["own-classes", "4-way"], {}),
        ("w-objects", "objectnet", "own-objects", ["own-classes", "own-classes-lse", "own-member"], {}),
        ("w-cue", "cue-conflict-mvh", "own-words", ["own-cue", "own-cue-sum", "own-cue-max"], {}),
        ("w-x", "imagenet-x-annotations", "own-4", ["4-way"], {}),
        ("w-vid", "vid-robust", "own-4", ["own-pm0", "own-pm10"], {}),
        ("w-3d", "imagenet-3dcc", "own-4", ["4-way"], {"slices": ["corruption/severity"]}),
        ("w-d", "imagenet-d", "own-asked", ["own-names", "own-classes", "own-member"],
         {"slices": ["split"], "options": {"lists": ["own-classifier"], "prompts": "own-single"}}),
        ("w-real", "imagenet-real", "own-4", ["own-any-of"], {"count": 16, "over": "w-val"}),
        ("w-ood", "large-scale-ood", "own-4", ["4-way"], {"role": "ood"}),
        ("w-ninco", "ninco", "own-4", ["4-way"], {"role": "ood", "class_means": True}),
        ("w-o", "ood-folder", "own-half", ["4-way", "own-classes"], {"role": "ood"}),
        ("w-o2", "ood-folder", "own-rest", ["4-way", "own-classes"], {"role": "ood"}),
    ):  # fmt: skip
        facts = {"title": name, "paper": "none", "obtain": "draw it", "role": "generic", **more}
        facts |= {"layouts": [layout], "protocols": protocols, "label_space": space}
        _toml(folder / "datasets", id=name, **facts)
    model = {"source": "none", "obtain": "user-made", "recipe": "Train it."}
    standard = {**model, "group": "standard", "label_space": "own-4"}
    _toml(folder / "models", id="own-classifier", library="timm", arch="test_resnet", **standard)
    _toml(folder / "models", id="own-second", library="timm", arch="test_resnet", **standard)
    clip = {**model, "group": "zero-shot-clip", "library": "open_clip", "arch": "tiny"}
    _toml(folder / "models", id="own-clip", **clip)
    _toml(folder / "models", id="own-vlm", library="transformers", arch="llava", group="vlm", **model)
    single = {"title": "Single", "source": "none", "templates": ["a photo of a {}."]}
    _toml(folder / "prompts", id="own-single", **single)
    blocks = [
        {"models": ["own-classifier", "own-second"], "datasets": ["w-*"], "kinds": ["logits", "embeddings"]},
        {"models": ["own-clip"], "datasets": ["w-*"], "kinds": ["embeddings", "heads"], "prompts": ["own-single"]},
    ]
    _toml(folder / "studies", id="own-study", title="All", blocks=blocks)
    blocks = [
        {"models": ["own-classifier"], "datasets": ["w-d"], "kinds": ["logits"]},
        {"models": ["own-vlm"], "datasets": ["w-d:texture"], "kinds": ["records"]},
    ]
    _toml(folder / "studies", id="own-questions", title="Questions", blocks=blocks)
    return folder


def draw_sets(folder: Path) -> dict[str, tuple[object, ...]]:
    """Draw every set; return the options of `index` for each, in an order in which they can be indexed."""
    seeds = iter(range(10**6))

    def image(*parts: object) -> None:
        path = folder.joinpath(*map(str, parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(next(seeds)).save(path)

    for number in range(4 * EACH):
        image("w-val", KEYS[number % 4], f"ILSVRC2012_val_{number + 1:08d}.JPEG")
        image("w-v2", number % 4, f"{number}.jpeg")
        image("w-ood", "images", f"{number}.jpg")
        image("w-ninco", "NINCO_OOD_classes", ("cloud", "wave")[number % 2], f"{number}.png")
        image("w-o", KEYS[number % 2], f"{number}.jpg")
        image("w-o2", KEYS[2 + number % 2], f"{number}.jpg")
        image("w-d", ("background", "texture", "material")[number % 3], NAMES[number % 4], f"{number}.png")
    for number in range(2 * EACH):
        image("w-r", KEYS[number % 2], f"sketch_{number}.jpg")
        image("w-objects", "images", (*OBJECTS, "chair")[number % 3], f"{number:x}.png")
        image("w-3d", SEVERAL[number % 2], 1 + number % 3, KEYS[number % 4], f"{number}.JPEG")
    for at, shape in enumerate(NAMES):
        for other, texture in enumerate(NAMES):
            name = f"{at:04d}_s5n_dnn_0_{shape}_00_{shape}1-{texture}{other}.png"
            image("w-cue", shape, name)
    objects = {name: name.title() for name in (*OBJECTS, "chair")}
    _json(folder / "w-objects" / "mappings" / "folder_to_objectnet_label.json", objects)
    overlap = {name.title(): name for name in OBJECTS}
    _json(folder / "w-objects" / "mappings" / "objectnet_to_imagenet_1k.json", overlap)
    lines = []
    for number in range(8):
        name = f"ILSVRC2012_val_{1001 + number:08d}.JPEG"
        image("w-x", KEYS[number % 4], name)
        flags = {factor: int(number % 2 == at) for at, factor in enumerate(FACTORS)}
        lines.append(json.dumps({"file_name": name, "class": number % 4, **flags}))
    (folder / "w-x" / "own_factors.jsonl").write_text("\n".join(lines))
    frames = {}
    for video in range(4):
        anchor, *others = [f"val/v{video}/{frame:06d}.JPEG" for frame in (5, 4, 6)]
        frames[anchor] = others
        for frame in (anchor, *others):
            image("w-vid", frame)
    _json(folder / "w-vid" / "metadata" / "pmsets.json", frames)
    labels = {frame: [at % 4] for at, (anchor, others) in enumerate(frames.items()) for frame in (anchor, *others)}
    _json(folder / "w-vid" / "metadata" / "labels.json", labels)
    index = {str(at): [key, name] for at, (key, name) in enumerate(zip(KEYS, NAMES, strict=True))}
    _json(folder / "w-vid" / "misc" / "imagenet_vid_class_index.json", index)
    accepted = [[number % 4, (number + 1) % 4] if number % 3 else [] for number in range(4 * EACH)]
    _json(folder / "real" / "real.json", accepted)
    found: dict[str, tuple[object, ...]] = {
        path.name: ("--root", path) for path in sorted(folder.iterdir()) if path.name.startswith("w-")
    }
    return {"w-val": found.pop("w-val"), **found, "w-real": ("--annotations", folder / "real")}


def save_models(folder: Path) -> Path:
    """Save a folder, a file and a model of open_clip with words of its own; return what `--weights` takes."""
    import open_clip
    import timm
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    torch.manual_seed(1)
    first = timm.create_model("test_resnet", num_classes=4)
    timm.models.save_for_hf(first, folder / "own-classifier", safe_serialization=True)
    save_file(timm.create_model("test_resnet", num_classes=4).state_dict(), folder / "own-second.safetensors")
    clip = folder / "own-clip"
    clip.mkdir()
    write_words(clip / "words.gz", ["p h", "o t"])
    text = {"context_length": 16, "vocab_size": 516, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    model = open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
    own = {**text, "tokenizer_kwargs": {"bpe_path": "words.gz"}}
    config = {"model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": own}, "preprocess_cfg": {}}
    _json(clip / "open_clip_config.json", config)
    save_file(model.state_dict(), clip / "open_clip_model.safetensors")
    return folder


def write_words(path: Path, merges: Sequence[str]) -> None:
    """Write a vocabulary as open_clip reads it, of a few merges only."""
    with gzip.open(path, "wb") as stream:
        stream.write("\n".join(["#version: 0.2", *merges]).encode())


def _toml(folder: Path, **values: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    blocks = values.pop("blocks", ())
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    for block in blocks:
        lines += ["[[blocks]]", *(f"{key} = {_value(value)}" for key, value in block.items())]
    (folder / f"{values['id']}.toml").write_text("\n".join(lines) + "\n", "utf-8")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
