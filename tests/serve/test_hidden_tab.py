"""The server's page in a tab that is hidden while its camera is on (Chromium, extra `video`)."""

from __future__ import annotations

from pathlib import Path

import httpx2 as httpx
import pytest
from helpers.camera_page import camera_options, hide_while_signing, see_again
from helpers.tabs import tab

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("data_dir")]
pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")


def test_a_hidden_tab_watches_nobody_and_goes_on_when_seen(server: httpx.Client, tmp_path: Path) -> None:
    with tab(tmp_path / "profile", *camera_options(tmp_path, 640)) as shown:
        hide_while_signing(shown, str(server.base_url))
        assert "twinsign_live_streams 0.0" in server.get("/metrics").text
        see_again(shown)
