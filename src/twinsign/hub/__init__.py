"""Runs to share: model cards, and pushing to and pulling from a Hugging Face Hub (optional extra `hub`)."""
