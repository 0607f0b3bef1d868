"""patch_folder.py FOLDER OUTPUT [MATCH ACTION]: rewrites every program of FOLDER, several at a time, and prints a
line of JSON for each. What goes wrong with the service is tried again; what is wrong with a file is reported."""

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import punster


def patch(path: Path, output: Path, options: argparse.Namespace) -> dict:
    for attempt in range(1, options.attempts + 1):
        record = {"input": str(path), "attempts": attempt}
        try:
            with punster.open(path, service=options.service) as b:
                report = b.patch(match=options.match, action=options.action, output=str(output))
            return {**record, "status": "ok", "output": str(output), "sites": report.sites, "patched": report.patched,
                    "trapped": report.trapped, "failed": report.failed}
        except punster.ServiceError as error:  # busy, crashed, gone: worth another try
            failure = error
            time.sleep(0.1 * 2 ** attempt)
        except punster.PunsterError as error:
            return {**record, "status": "refused", "kind": error.kind, "message": error.message}
    return {**record, "status": "failed", "kind": failure.kind, "message": failure.message}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("match", nargs="?", default="jmp")
    parser.add_argument("action", nargs="?", default="empty")
    parser.add_argument("--service", help="the socket of `punster serve --listen`; by default one process a file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--attempts", type=int, default=3)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True)
    files = [p for p in sorted(options.folder.iterdir()) if p.is_file()]
    with ThreadPoolExecutor(options.jobs) as pool:
        records = list(pool.map(lambda p: patch(p, options.output / p.name, options), files))
    for record in records:
        print(json.dumps(record))
    return any(record["status"] == "failed" for record in records)


if __name__ == "__main__":
    raise SystemExit(main())
