"""Starts one Node.js rank for each GPU of a Ray cluster and waits for them; Ray itself has no JavaScript interface.

usage: python ray_driver.py RANKS SCRIPT [ARGUMENT]...
"""

import os
import secrets
import socket
import subprocess
import sys


def environment(rank: int, places: list[tuple[str, str]], port: int, token: str) -> dict[str, str]:
    """The variables of a rank; places: (node, address) of every rank."""
    node = places[rank][0]
    same = [r for r, (other, _) in enumerate(places) if other == node]
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(len(places)),
        # Ray shows a process its own GPU only, as number 0.
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": str(len(same)),
        "MASTER_ADDR": places[0][1],
        "MASTER_PORT": str(port),
        "QLORA_RENDEZVOUS_TOKEN": token,
    }


class Rank:
    """A process of Ray that runs one rank."""

    def place(self) -> tuple[str, str]:
        import ray

        context = ray.get_runtime_context()
        return context.get_node_id(), ray.util.get_node_ip_address()

    def free_port(self) -> int:
        with socket.socket() as listener:
            listener.bind(("", 0))
            return listener.getsockname()[1]

    def run(self, command: list[str], variables: dict[str, str]) -> int:
        return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


def main(count: int, command: list[str]) -> int:
    import ray

    ray.init()
    actor = ray.remote(num_gpus=1)(Rank)
    ranks = [actor.remote() for _ in range(count)]
    places = ray.get([rank.place.remote() for rank in ranks])
    port = ray.get(ranks[0].free_port.remote())
    token = secrets.token_hex(16)
    waiting = [rank.run.remote(command, environment(r, places, port, token)) for r, rank in enumerate(ranks)]
    # The first rank that fails ends the run: the others end themselves when they hear of it.
    while waiting:
        done, waiting = ray.wait(waiting)
        code = ray.get(done[0])
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(int(sys.argv[1]), ["node", *sys.argv[2:]]))
