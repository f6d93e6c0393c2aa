"""The load that Postrider's figures come from (`python -m benchmarks`), and the demo (`python -m benchmarks.demo`)."""
