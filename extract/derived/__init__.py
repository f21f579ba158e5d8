"""Models made of cached embeddings, without a pass over any image: adapters, learned prompts, other heads."""
