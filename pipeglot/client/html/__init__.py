"""A run or a pipeline as HTML: the graph as inline SVG and a table of steps; no scripts, nothing from elsewhere."""
