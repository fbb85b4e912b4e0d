"""The server (optional extra `serve`): predictions over HTTP, and the live page; it asks no other host."""
