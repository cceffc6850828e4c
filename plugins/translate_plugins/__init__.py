"""The built-in components, one package per family, found through the entry-point group `translate`."""
