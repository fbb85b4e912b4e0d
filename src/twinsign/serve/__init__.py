"""The server (optional extra `serve`): predictions over HTTP, and the live page; nothing leaves the machine."""
