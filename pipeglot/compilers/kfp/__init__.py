"""Kubeflow Pipelines v2 and Vertex AI Pipelines: one compiler, which writes the pipeline spec that both read."""
