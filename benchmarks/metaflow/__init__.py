"""Flows of Metaflow: what their layouts cost, and what a task of ours costs beside one written by hand."""
