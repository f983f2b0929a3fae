"""Metaflow: a flow file that Metaflow runs here, or deploys to Argo Workflows or AWS Step Functions."""
