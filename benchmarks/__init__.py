"""What the pipeline and its kernels cost. `make bench` measures all of it; docs/benchmarks.md says how to read it."""
