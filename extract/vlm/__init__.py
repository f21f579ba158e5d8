"""Language models with eyes: questions about images in, `records` out. Needs transformers, the extra `[vlm]`."""
