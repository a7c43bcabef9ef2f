"""The parts of `make bench`: the contenders, the runs, what is counted, and how it is told."""
