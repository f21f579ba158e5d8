"""The device that is named is the device that is used, or an error."""

from __future__ import annotations

import pytest
import torch

from cache.errors import UsageError
from extract.preflight import choose_device


def test_auto_takes_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, chosen in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose_device("auto") == chosen


def test_a_named_device_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == "cpu"
    for name in ("cuda:97", "tpu-of-dreams"):
        with pytest.raises(UsageError, match=f"--device {name}: not usable here"):
            choose_device(name)
