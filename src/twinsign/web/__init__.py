"""The recogniser as static files that run in a browser: model, page, pose estimator; no server, nothing sent."""
