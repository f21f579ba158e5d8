"""Official and generic shapes in which image sets lie on disk."""
