"""Commands in processes of their own that start at once: forks of one that has all modules loaded.

A process that loads torch and all the rest first takes five seconds of processor time; tests of what a command does
need that once, not once a command. How commands start from nothing is tested where that is the point.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

MODULES = ("twinsign.cli.main", "twinsign.serve.app", "twinsign.inference.recogniser", "torch._meta_registrations")


class WarmProcess:
    """`twinsign WORDS` in a process of its own, with what tests need of subprocess.Popen."""

    def __init__(
        self, words: list[str], log: int, env: dict[str, str] | None = None, file_bytes: int | None = None
    ) -> None:
        self._line, theirs = pair()
        order = {"words": words, "env": {**os.environ, **(env or {})}, "file_bytes": file_bytes, "cwd": str(Path.cwd())}
        socket.send_fds(mother(), [json.dumps(order).encode()], [log, theirs.fileno()])
        theirs.close()
        self.pid = int(self._line.recv(99))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self._line.settimeout(0.001)
            try:
                self.returncode = int(self._line.recv(99) or b"-1")
            except TimeoutError:
                return None
            self._line.close()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code; where it goes on for longer it is killed, with a TimeoutError."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                self.returncode = -signal.SIGKILL
                self._line.close()
                raise TimeoutError(f"process {self.pid} ran for more than {timeout} seconds")
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a line that keeps messages apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def mother() -> socket.socket:
    """The line to this test process's own mother of commands, which ends with it."""
    mine, theirs = pair()
    words = [sys.executable, "-c", "from helpers.warm_process import take_orders; take_orders()", str(theirs.fileno())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200"}
    process = subprocess.Popen(words, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    atexit.register(dismiss, mine, process)
    return mine


def dismiss(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End the mother, which waits for orders until its line is closed."""
    line.close()
    process.wait(60)


def take_orders() -> None:
    """The mother: a child for each order, and its exit code when it has ended."""
    line = socket.socket(fileno=int(sys.argv[1]))
    for module in MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    waiting = selectors.DefaultSelector()
    waiting.register(line, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.data is not None:
                waiting.unregister(key.fileobj)
                report(*key.data)
                continue
            content, handles, *_ = socket.recv_fds(line, 1 << 20, 2)
            if not content:
                return
            log, answers = handles[0], socket.socket(fileno=handles[1])
            pid = os.fork()
            if pid == 0:
                waiting.close()
                line.close()
                obey(json.loads(content), log)
            os.close(log)
            answers.send(str(pid).encode())
            handle = os.pidfd_open(pid)
            waiting.register(handle, selectors.EVENT_READ, (pid, handle, answers))


def report(pid: int, handle: int, answers: socket.socket) -> None:
    """Tell who asked how the child has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(handle)
    with answers, suppress(OSError):  # who asked may have gone
        answers.send(str(code).encode())


def obey(order: dict[str, Any], log: int) -> None:
    """The child: the command, to its end."""
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"],) * 2)
    from twinsign.cli.main import main

    sys.exit(main(order["words"]))
