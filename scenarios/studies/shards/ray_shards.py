"""The parts of a study as Ray tasks, on nodes that share a file system: python ray_shards.py study.yaml 16"""

import subprocess
import sys

import ray


@ray.remote(num_cpus=2, max_retries=3)
def part(study: str, number: int, of: int) -> str:
    out = f"part-{number}"
    command = ["wavetank", "bench", "placement", study, "--jobs", "2", "--shard", f"{number}/{of}", "--out", out]
    subprocess.run(command, check=True)
    return out


if __name__ == "__main__":
    study, of = sys.argv[1], int(sys.argv[2])
    ray.init()
    parts = ray.get([part.remote(study, number, of) for number in range(1, of + 1)])
    merge = [word for out in parts for word in ("--merge", out)]
    subprocess.run(["wavetank", "bench", "placement", study, *merge, "--out", "whole"], check=True)
