"""A RUN: its recipe, folder, weights and the facts of its making."""
