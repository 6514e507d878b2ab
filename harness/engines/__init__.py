"""Engines bring runs to machines: this one, a Ray cluster, Slurm. A spec travels, a record returns."""
