"""Drawing of the embedded data set: a layout in unit coordinates, then its label map and picture at any size.

`layout` decides what stands where, `render` paints it; the two draw from separate random streams, so the same layout
can be seen in other materials and light. NumPy only.
"""
