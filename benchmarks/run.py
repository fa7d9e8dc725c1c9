"""Run the benchmarks, all or those named, one after the other, and say which met their bounds.

    python -m benchmarks.run [calls decode …]

Each is a script of its own (``python -m benchmarks.NAME --help``); here they run with the sizes
that docs/explanation/figures.md quotes.
"""

import argparse
import subprocess
import sys

CLAIMS = {
    "calls": "CPU of a call against bare httpx",
    "decode": "decoding a page, and the memory of kept contacts",
    "imports": "import time, and a second client",
    "cancel_storm": "a pool after thousands of cancelled calls",
    "duplicates": "faulted sends: none twice",
    "outage": "requests per call while the server is down",
    "leaks": "memory, tasks and sockets over many calls",
    "partitions": "a partitioned export against the sequential walk",
    "limiter": "the limiter's own cost",
    "limits_live": "the limiter against strict servers on real sockets",
    "limits_neighbours": "the limiter beside others on real sockets",
    "oracle": "the same against a policy that sees the server's window, in virtual time",
    "simulation": "the limiter in virtual time against every server model",
    "redis_limiter": "four processes on one organisation",
    "peers": "against what users would pick instead",
    "peers_beside": "the same beside a neighbour",
    "bulk_overhead": "what a bulk item costs above its calls",
    "bulk_floor": "a bulk run against the floor of the limits",
    "bulk_million": "a million items in virtual time",
    "bulk_outage": "a bulk run while its server is down",
    "bulk_kill": "a bulk run killed a hundred times",
    "webhooks_verify": "verify and parse against bare HMAC and decode",
    "webhooks_ack": "acknowledging under load",
    "webhooks_fuzz": "forged and broken bodies",
    "webhooks_inbox": "the durable inbox under kill -9",
    "webhooks_postgres": "the inbox of many processes under kill -9, and without its database",
}


def main(names: list[str]) -> int:
    missed = []
    for name in names or CLAIMS:
        print(f"── {name}: {CLAIMS[name]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
    print("every bound was met" if not missed else f"missed: {', '.join(missed)}")
    return len(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *CLAIMS], help="default: all")
    sys.exit(main(parser.parse_args().names))
