"""The study file that ``harness study --init`` writes."""

from typing import Final

EXAMPLE: Final = """\
# A study: many runs, each done once. harness study FILE --plan shows them, harness study FILE does what is left.

name = "learning-rates"     # small letters, digits, ".", "_" and "-"
results = "learning-rates"  # folder of the records, beside this file
timeout = 600               # seconds that one run may take
tries = 3                   # times that a run is tried again if the machine, not the run, was at fault

# One value for every run: any option of harness run, by its name.
[fixed]
task = "adding"
preset = "smoke"
hidden = 16

# Task parameters, as -P gives them.
[fixed.parameter]
length = 50

# Every combination of these is a run.
[axes]
backend = ["numpy", "torch"]  # or "all"
lr = [1e-3, 3e-3, 1e-2]
seed = "0-2"                  # 0, 1, 2

# Values that go together: the first of one with the first of the other.
[[zip]]
batch = [32, 64]
steps = [200, 100]

# What is left out: combinations with all of these values.
[[exclude]]
backend = "numpy"
lr = 1e-2
"""
