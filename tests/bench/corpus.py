"""The files that are measured: corpus.tsv pins path, package, version and sha256 of each."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "corpus.tsv"


@dataclass
class Entry:
    name: str
    path: Path
    package: str
    version: str
    sha256: str

    @property
    def present(self):
        return self.path.exists()

    @property
    def mark(self):
        """'' when the file is the pinned one, '*' when it differs."""
        return "" if digest(self.path) == self.sha256 else "*"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entries():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return [Entry(name, Path(path), *rest) for name, path, *rest in rows]


def owner(path):
    """The Debian package that installed `path`, and its version."""
    for candidate in (path, path.resolve(), Path("/usr" + str(path)), Path(str(path).removeprefix("/usr"))):
        found = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True)
        if found.returncode == 0:
            package = found.stdout.split(": ")[0].split(":")[0].split(",")[0]
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
            return package, version.stdout
    return "-", "-"


def pin():
    """Rewrites the table from the files of this machine; rows of absent files stay as they are."""
    head = [line for line in TABLE.read_text().splitlines() if line.startswith("#")]
    rows = []
    for entry in entries():
        if entry.present:
            entry.package, entry.version = owner(entry.path)
            entry.sha256 = digest(entry.path)
        rows.append("\t".join([entry.name, str(entry.path), entry.package, entry.version, entry.sha256]))
    TABLE.write_text("\n".join(head + rows) + "\n")
