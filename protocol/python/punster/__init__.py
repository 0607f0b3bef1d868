"""Rewrites x86-64 ELF files from Python, by way of a `punster serve` of its own or a service that listens:

    import punster

    with punster.open("/bin/ls") as b:
        report = b.patch(match="call", action="count", output="ls.counted")
        print(report.patched, "of", report.sites)

Failures are exceptions of one family, PunsterError. Addresses are link-time addresses of the original file.
"""

from __future__ import annotations

import os
from typing import Optional, Union

from .binary import Binary, Report, Site, SiteResult
from .errors import Cancelled, FileError, NoMatch, PunsterError, RequestError, ServiceError
from .session import Progress, Session
from .templates import template

__all__ = ["Binary", "Cancelled", "FileError", "NoMatch", "Progress", "PunsterError", "Report", "RequestError",
           "ServiceError", "Session", "Site", "SiteResult", "open", "template"]


def open(file: Union[str, "os.PathLike[str]", int], *, service: Optional[str] = None,
         program: Optional[str] = None, progress: Optional[Progress] = None) -> Binary:
    """Opens and analyses a program or library: a path, which means what it means to the service, or an open
    descriptor (with `service`). `service` is
    the Unix socket of a `punster serve --listen`; without it, one is started (`program`, else $PUNSTER, else
    `punster` on the PATH). Raises FileError, ServiceError."""
    session = Session.connect(service) if service else Session.start(program)
    session.progress = progress
    try:
        if isinstance(file, int):
            return Binary(session, None, session.call("open", descriptor=session.send_file(file)))
        path = os.fspath(file)
        return Binary(session, path, session.call("open", filename=path))
    except BaseException:
        session.close()
        raise
    finally:
        session.progress = None
