"""What pipeglot adds to an Airflow: the same pipelines as DAGs written by hand, on the sandbox's real one."""
