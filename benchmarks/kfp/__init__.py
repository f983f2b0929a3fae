"""What it costs to compile for Kubeflow Pipelines, and to start a step in a container."""
