"""How far a plain product carries: nearest entries among 1 M unit vectors, exact and by an index, single and batched.

    python benchmarks/vector_search.py --entries 1000000 --width 256 --json F     # pip install faiss-cpu

Vectors are made: `--centres` random directions, entries and queries scattered about them, so that indexes have the
clusters that signs have. Recall is of the exact five nearest.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from twinsign.files import write_json

TOP, QUERIES = 5, 50
SCATTER = 1.0
"""Length of the noise on a centre of length 1."""
Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--centres", type=int, default=10_000)
    parser.add_argument("--indexes", nargs="*", default=["IVF1024,Flat"])
    parser.add_argument("--json", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    entries, queries = made(given.entries, given.width, given.centres)
    stored, half = torch.from_numpy(entries), torch.from_numpy(entries).to(torch.bfloat16)

    def exact(asked: NDArray[np.float32]) -> NDArray[np.int64]:
        return (torch.from_numpy(asked) @ stored.T).topk(TOP).indices.numpy()

    def rough(asked: NDArray[np.float32]) -> NDArray[np.int64]:
        """In bfloat16, the best 50 looked at again exactly."""
        near = (torch.from_numpy(asked).to(torch.bfloat16) @ half.T).topk(10 * TOP).indices
        again = torch.einsum("qd,qkd->qk", torch.from_numpy(asked), stored[near]).topk(TOP).indices
        return near.gather(1, again).numpy()

    wanted = np.concatenate([exact(queries[start : start + 20]) for start in range(0, QUERIES, 20)])
    rows = [measured("exact product, float32", exact, queries, wanted)]
    rows.append(measured("bfloat16, then exact", rough, queries, wanted))
    for name in given.indexes:
        started = time.process_time()
        index = faiss.index_factory(given.width, name, faiss.METRIC_INNER_PRODUCT)
        index.train(entries[:: max(1, given.entries // 100_000)])
        index.add(entries)
        built = time.process_time() - started
        for options in (8, 32, 128):
            faiss.ParameterSpace().set_index_parameter(index, "efSearch" if "HNSW" in name else "nprobe", options)
            row = measured(
                f"faiss {name}, {options}", lambda asked, index=index: index.search(asked, TOP)[1], queries, wanted
            )
            rows.append({**row, "build_cpu_s": round(built, 1)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    write_json(given.json, {**vars(given), "peak_mb": peak, "rows": rows})


def made(count: int, width: int, centres: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Entries (N D) and queries (Q D)."""
    random = np.random.default_rng(0)
    middle = unit(random.standard_normal((centres, width), np.float32))

    def scattered(number: int) -> NDArray[np.float32]:
        noise = random.standard_normal((number, width), np.float32) * np.float32(SCATTER / width**0.5)
        return unit(middle[random.integers(centres, size=number)] + noise)

    return np.concatenate([scattered(min(50_000, count - start)) for start in range(0, count, 50_000)]), scattered(
        QUERIES
    )


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measured(name: str, search: Search, queries: NDArray[np.float32], wanted: NDArray[np.int64]) -> dict[str, Any]:
    """Milliseconds a query, of the clock and of the processor: alone (the median) and in batches of 50; recall."""
    alone: list[tuple[float, float]] = []
    found = []
    for query in queries[:, None]:
        clock, cpu = time.perf_counter(), time.process_time()
        found.append(search(query))
        alone.append((time.perf_counter() - clock, time.process_time() - cpu))
    clock, cpu = time.perf_counter(), time.process_time()
    for start in range(0, QUERIES, 50):
        search(queries[start : start + 50])
    batch = ((time.perf_counter() - clock) / QUERIES, (time.process_time() - cpu) / QUERIES)
    hits = [len(set(one) & set(other)) for one, other in zip(np.concatenate(found), wanted, strict=True)]
    row: dict[str, Any] = {"search": name, "recall_at_5": round(float(np.mean(hits)) / TOP, 4)}
    for kind, (wall, used) in {"alone": np.median(alone, axis=0), "batched": batch}.items():
        row |= {f"{kind}_ms": round(1000 * float(wall), 2), f"{kind}_cpu_ms": round(1000 * float(used), 2)}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
