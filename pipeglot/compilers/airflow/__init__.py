"""Airflow: a native DAG file, for a cluster that is already there."""
