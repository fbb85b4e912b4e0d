"""What a file is that could not be opened as a video, by its first bytes."""

from __future__ import annotations

import io

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile

_TS_PACKETS = {188: 0, 192: 4, 204: 0}
"""Lengths of an MPEG transport stream's packets, and where in each the byte 0x47 stands."""
_CONTAINERS = {
    b"FLV": "Flash video",
    b"OggS": "Ogg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media (ASF)",
    b"\x00\x00\x01\xba": "an MPEG program stream",
    b"\x00\x00\x01\xb3": "a bare MPEG video stream",
    b"\x00\x00\x00\x01": "a bare H.264 or H.265 stream",
    b".RMF": "RealMedia",
    b"GIF8": "a GIF",
    b"YUV4MPEG2": "YUV4MPEG",
}
"""First bytes of containers that are not opened, and their names."""
_NO_VIDEOS = {
    **dict.fromkeys((b"#extm3u", b"ffconcat"), "a playlist"),
    **dict.fromkeys((b"<!doctype", b"<html"), "a web page"),
    b"<?xml": "XML",
    b"{": "JSON",
    b"pk\x03\x04": "a zip archive",
    b"rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer instead of the file",
}
"""First bytes, in lower case, of what is no video at all."""


def explain(clip: ClipFile, error: InputError, wanted: str) -> InputError:
    """The error of a file that could not be opened, with what the file is by its first bytes, if these tell."""
    try:
        with clip.path.open("rb") if clip.content is None else io.BytesIO(clip.content) as stream:
            start = stream.read(1536)
    except OSError:
        return error
    if not start.strip(b"\0"):
        return clip.error("a file of zeros: a copy that never ended" if start else "an empty file", wanted)
    ending, hint = clip.path.suffix, ""
    is_ts = any(start[at::length] == b"\x47" * len(start[at::length]) for length, at in _TS_PACKETS.items())
    kind = "MPEG-TS" if is_ts and len(start) > 2 * max(_TS_PACKETS) else None
    kind = kind or next((name for head, name in _CONTAINERS.items() if start.startswith(head)), None)
    if kind:
        hint = f"Remux it without loss: ffmpeg -i {clip.path.name} -c copy {clip.path.stem}.remuxed.mp4"
    kind = kind or next((name for head, name in _NO_VIDEOS.items() if start.lstrip().lower().startswith(head)), None)
    if kind:
        return clip.error(f"{kind} under a name that ends in {ending}", wanted, hint=hint)
    if start[4:8] in (b"ftyp", b"moov", b"mdat"):
        return clip.error(f"a damaged or truncated {ending} file ({error.found})", wanted, hint="Copy it again.")
    return error
