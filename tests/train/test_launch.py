"""The command line on several devices and on several nodes, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.trained_runs import Trained
from helpers.warm_process import WarmProcess

from twinsign.cli.main import main
from twinsign.distributed import RankInfo
from twinsign.files import locked
from twinsign.runs.recipe import TrainerConfig
from twinsign.runs.run import load_run, read_metrics
from twinsign.train import launch

PATIENCE = 600.0


def options(trained: Trained, out: Path, *more: str) -> list[str]:
    common = ["--config", str(trained.recipe), "--data", str(trained.pack), "--out", str(out)]
    return ["pretrain", *common, "--pretrain.batch_size", "4", "--pretrain.monitor_every", "0", *more]


def on_nodes(trained: Trained, out: Path, *more: str) -> list[tuple[int, str]]:
    """The command on two nodes of one device each, as torchrun would start it: exit codes and what was said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = options(trained, out, "--trainer.num_nodes", "2", *more)
    with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
        nodes = []
        for rank, log in enumerate((first, second)):
            place = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1, "GROUP_RANK": rank}
            place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # type: ignore[dict-item]
            nodes.append(WarmProcess(words, log.fileno(), {name: str(value) for name, value in place.items()}))
        try:
            codes = [node.wait(PATIENCE) for node in nodes]
        finally:
            for node in nodes:
                node.send_signal(signal.SIGKILL)
        return [
            (code, os.pread(log.fileno(), 1 << 20, 0).decode())
            for code, log in zip(codes, (first, second), strict=True)
        ]


@pytest.mark.slow
def test_two_nodes_do_what_two_devices_do(trained: Trained, tmp_path: Path) -> None:
    nodes, devices = tmp_path / "nodes", tmp_path / "devices"
    found = on_nodes(trained, nodes)
    assert [code for code, _ in found] == [0, 0], found
    assert [("pre-trained on" in said) for _, said in found] == [True, False]
    assert main(options(trained, devices, "--trainer.devices", "2")) == 0
    for name in ("weights.safetensors", "labels.json"):
        assert (nodes / name).exists() == (devices / name).exists()
    assert (nodes / "weights.safetensors").read_bytes() == (devices / "weights.safetensors").read_bytes()
    assert {path.name for path in nodes.iterdir()} == {path.name for path in devices.iterdir()}
    rows = [[{**row, "minutes": 0} for row in read_metrics(out)] for out in (nodes, devices)]
    assert rows[0] == rows[1]
    assert load_run(nodes).about.keys() == load_run(trained.pretrained).about.keys()
    before = (nodes / "config.yaml").read_bytes()
    assert main(options(trained, nodes, "--trainer.devices", "2")) == 0, "a finished run is left as it is"
    assert (nodes / "config.yaml").read_bytes() == before
    refused = on_nodes(trained, tmp_path / "third", "--trainer.devices", "3")
    assert [code for code, _ in refused] == [2, 2]
    assert all("2 processes for trainer.devices 3" in said for _, said in refused)


@pytest.mark.slow
def test_two_devices_asked_to_stop_save_and_end(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    last = out / "checkpoints" / "last.ckpt"

    def stop() -> None:
        deadline = time.monotonic() + 120
        while not last.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=stop)
    asking.start()
    more = ("--trainer.devices", "2", "--trainer.save_every", "1", "--pretrain.epochs", "100000")
    assert main(options(trained, out, *more)) == 143
    asking.join()
    step = torch.load(last, weights_only=False)["global_step"]
    assert f"stopped by SIGTERM; the same command resumes after step {step}" in capsys.readouterr().err
    assert not (out / "weights.safetensors").exists()
    with locked(out):
        pass


@pytest.mark.parametrize(
    ("threads", "devices", "processes", "wanted"),
    [(3, 2, 2, 3), (None, 2, 2, 2), (None, 8, 8, 1), (None, 1, 1, None), (None, 8, 1, None), (3, 8, 1, 3)],
)
def test_processes_share_the_threads_of_a_machine_however_often_they_train(
    threads: int | None, devices: int, processes: int, wanted: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [5]
    monkeypatch.setattr(torch, "get_num_threads", lambda: now[-1])
    monkeypatch.setattr(torch, "set_num_threads", now.append)
    monkeypatch.setattr(launch, "rank_info", lambda: RankInfo(world_size=processes))
    launch._own_threads.cache_clear()
    for _ in range(2):
        launch.take_threads(TrainerConfig(threads=threads, devices=devices))
    launch._own_threads.cache_clear()
    assert now[1:] == ([] if wanted is None else [wanted, wanted])
