"""A Hub on this machine, and huggingface_hub told to ask it, with a token that may write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.hub_server import TOKEN, Hub, hub
from huggingface_hub import constants


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub; it speaks plain HTTP and no Xet."""
    with hub() as found:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        # Its variable is read once, when huggingface_hub is imported.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield found
