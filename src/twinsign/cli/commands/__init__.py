"""The commands, one file a group: parse, call one function of another room, print.

To add a command, write a function whose parameters are its options and whose docstring is its help, and its line in
cli/registry.py. Import what it runs inside the function: `--help` must not load PyTorch.
"""
