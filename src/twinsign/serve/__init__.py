"""Signs named over HTTP, and the live page (optional extra `serve`): nothing leaves the machine it runs on."""
