"""A tab of headless Chromium that another one hides, as a user hides it; Playwright keeps its pages visible."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from helpers.browsers import QUIET, find_chromium

ANSWER_SECONDS = 120


class Tab:
    """One tab, driven by Chromium's DevTools protocol; `problems` has what its console said and what it threw."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._calls = socket, 0
        self.problems: list[str] = []
        self._session: str | None = None
        self._target, self._other = [self._call("Target.createTarget", url="about:blank")["targetId"] for _ in range(2)]
        self._session = self._call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._call(f"{domain}.enable")
        self.show()

    def open(self, address: str) -> None:
        """Go there."""
        self._call("Page.navigate", url=address)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        given = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = self._call("Runtime.evaluate", **given)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str, seconds: float = 240) -> None:
        """Wait until it holds."""
        last = time.monotonic() + seconds
        while not self.evaluate(condition):
            assert time.monotonic() < last, condition
            time.sleep(0.1)

    def hide(self) -> None:
        """Another tab comes to the front."""
        self._call("Target.activateTarget", targetId=self._other)
        self.until("document.visibilityState === 'hidden'")

    def show(self) -> None:
        """This tab comes to the front."""
        self._call("Target.activateTarget", targetId=self._target)
        self.until("document.visibilityState === 'visible'")

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        self._calls += 1
        session = {"sessionId": self._session} if self._session and not method.startswith("Target.") else {}
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": given, **session}))
        while True:
            message = json.loads(self._socket.recv(ANSWER_SECONDS))
            if message.get("id") == self._calls:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str | None, given: dict[str, Any]) -> None:
        wrong = {
            "Runtime.exceptionThrown": True,
            "Runtime.consoleAPICalled": given.get("type") == "error",
            "Log.entryAdded": given.get("entry", {}).get("level") == "error",
        }
        if event is not None and wrong.get(event):
            self.problems.append(json.dumps(given))


@contextmanager
def tab(folder: Path, *options: str) -> Iterator[Tab]:
    """A tab of a browser of its own, whose files go into a folder; the test is skipped where there is no Chromium."""
    words = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", *QUIET, *options]
    with subprocess.Popen([find_chromium(), *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            addresses = (re.search(r"ws://\S+", line) for line in process.stderr)
            address = next(found[0] for found in addresses if found)
            with connect(address, max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
