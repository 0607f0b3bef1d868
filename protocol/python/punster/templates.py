"""The machine code of the actions, for clients that describe sites themselves (`trampoline`, `instructions`,
`patches`) and want what `punster patch -P ACTION` does. The same file, templates.json, is built into punster.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

_LINES: Dict[str, List[Dict[str, Any]]] = json.loads((Path(__file__).parent / "templates.json").read_text())

#: What template() knows.
ACTIONS = tuple(_LINES)


def template(*actions: str) -> List[Any]:
    """The template of a trampoline that runs `actions` in order and then the instruction. Sites must give
    values to its holes: `count` wants "$counter" (the address of a slot), `print` "$asmstr" ({"string": ..})
    and "$asmstrlen", `exit` "$status"."""
    code: List[Any] = []
    for action in actions:
        for line in _LINES[action]:
            for element in line["code"]:
                code += list(bytes.fromhex(element)) if isinstance(element, str) else [element]
    code += ["$instr", "$break"]
    return code + [".Lasmstr", "$asmstr"] if "print" in actions else code
