"""Pickles from outside, read without running what is in them."""
