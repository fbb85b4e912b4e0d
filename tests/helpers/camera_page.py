"""What tests look at in a page whose camera is on, and what must happen when its tab is hidden and seen again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from helpers.tabs import Tab
from helpers.videos import film, y4m

FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
RECORD = """(async () => {
  const { camera } = await import(new URL("page/main.js", location.href).href);
  const receive = camera.onMessage;
  window.messages = [];
  camera.onMessage = (message) => {
    const { type, time, state, ended, begin } = message;
    window.messages.push({ type, time, state, ended, begin });
    receive(message);
  };
})()"""
"""Keeps what the camera told the page in `messages`."""
LOADED = "/signs/.test(document.querySelector('#about')?.textContent)"
STATE = "document.querySelector('#state').textContent"
WITHIN_A_SIGN = """(() => {
  const frames = messages.filter(({ type }) => type === "frame");
  const begun = frames[frames.findLastIndex(({ state }) => state !== "signing") + 1];
  return begun && frames.at(-1).time - begun.time > 0.6;
})()"""
"""Long enough for an answer, if it ended now."""
PICTURES = "messages.filter(({ type }) => type === 'frame').length"
SIGNS = "messages.filter(({ type, ended }) => type === 'sign' && ended).length"
TOO_SLOW = "!document.querySelector('#slow-machine').hidden"
TRACK = "document.querySelector('#camera').srcObject.getTracks()[0]"
HEADLINE = "document.querySelector('#headline').textContent"
HIDDEN_SECONDS = 3


def camera_options(folder: Path, width: int) -> tuple[str, ...]:
    """Options of a browser whose camera shows a video of a sign over and over."""
    pictures = y4m(film(folder), folder / "camera.y4m", width)
    return (*FAKE_CAMERA, f"--use-file-for-fake-video-capture={pictures}")


def hide_while_signing(tab: Tab, address: str) -> list[dict[str, Any]]:
    """Start the camera, hide the tab within a sign, and check that it watches nobody; returns what was said since."""
    tab.open(address)
    tab.until(LOADED)
    tab.evaluate(RECORD)
    tab.evaluate("document.querySelector('#start').click()")
    tab.until(WITHIN_A_SIGN)
    tab.evaluate(f"window.track = {TRACK}")
    tab.hide()
    tab.until(f"{STATE} === 'Paused'")
    said, answer = tab.evaluate("messages.length"), tab.evaluate(HEADLINE)
    assert tab.evaluate("track.readyState") == "ended", "the camera is free"
    assert tab.evaluate("document.querySelector('#camera').srcObject") is None
    time.sleep(HIDDEN_SECONDS)
    assert tab.evaluate("messages.length") == said
    assert tab.evaluate(HEADLINE) == answer
    messages: list[dict[str, Any]] = tab.evaluate("messages")
    assert messages[-1]["type"] == "paused"
    return messages


def see_again(tab: Tab) -> None:
    """Show the tab: the camera and the recognition start again by themselves, and the cut-off sign gets no answer."""
    tab.evaluate("messages.length = 0")
    tab.show()
    tab.until(f"{PICTURES} > 0 && ['Watching', 'Signing', 'Hands held'].includes({STATE})")
    assert tab.evaluate(f"{TRACK}.readyState") == "live"
    tab.until(f"{SIGNS} > 0 || ({PICTURES} > 15 && {TOO_SLOW})")
    messages = tab.evaluate("messages")
    assert [message["type"] for message in messages[:3]] == ["starting", "ready", "frame"]
    first = messages[2]["time"]
    assert all(message["begin"] >= first for message in messages if message["type"] == "sign")
    tab.evaluate("document.querySelector('#stop').click()")
    tab.hide()
    tab.show()
    assert tab.evaluate("document.querySelector('#camera').srcObject") is None, "a stopped camera stays off"
    assert tab.evaluate("document.querySelector('#problem').textContent") == ""
    assert tab.problems == []
