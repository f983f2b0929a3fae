"""What pipeglot costs, as CPU of whole processes: `make bench`."""
