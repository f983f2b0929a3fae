"""What differs between two runs, value by value: parameters, code, what became of each step, inputs and outputs."""
