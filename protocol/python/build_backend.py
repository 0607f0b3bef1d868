"""Builds the package with nothing but the standard library (PEP 517, PEP 660): pip needs no network."""

import base64
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME, VERSION = "punster", "0.1.0"
METADATA = f"""Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: Client of punster, which rewrites x86-64 ELF files by instruction punning
Requires-Python: >=3.9
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: punster\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
STAMP = (1980, 1, 1, 0, 0, 0)  # outputs do not depend on the clock


def _sources():
    return sorted(p for p in (HERE / NAME).rglob("*") if p.suffix in (".py", ".json") or p.name == "py.typed")


def _wheel(directory, files):
    """`files`: archive name to contents."""
    info = f"{NAME}-{VERSION}.dist-info"
    files = {**files, f"{info}/METADATA": METADATA.encode(), f"{info}/WHEEL": WHEEL.encode()}
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    path = Path(directory) / f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), data)
    return path.name


def build_wheel(directory, config_settings=None, metadata_directory=None):
    return _wheel(directory, {str(p.relative_to(HERE)): p.read_bytes() for p in _sources()})


def build_editable(directory, config_settings=None, metadata_directory=None):
    return _wheel(directory, {f"{NAME}.pth": f"{HERE}\n".encode()})


def build_sdist(directory, config_settings=None):
    root = f"{NAME}-{VERSION}"
    files = {p: p.read_bytes() for p in [*_sources(), HERE / "pyproject.toml", HERE / "build_backend.py"]}
    with tarfile.open(Path(directory) / f"{root}.tar.gz", "w:gz") as archive:
        for path, data in [*((str(p.relative_to(HERE)), d) for p, d in files.items()),
                           ("PKG-INFO", METADATA.encode())]:
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return f"{root}.tar.gz"
