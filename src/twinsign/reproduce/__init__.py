"""The paper's section IV: each table and figure as a grid of experiments on any packs, run where it is missing."""
