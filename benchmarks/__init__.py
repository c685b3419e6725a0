"""What evmthread is measured with: workloads, their references, and pytest-benchmark files."""
