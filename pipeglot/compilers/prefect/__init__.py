"""Prefect 3: a flow file, and the deployment of it."""
