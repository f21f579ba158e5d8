"""Checkpoints of other projects as plain files of tensors: one module a format."""
