"""protocol/schema against traffic: every message is validated with the schema of its method (Draft 2020-12),
and a field of a reply that no schema knows is a failure as well, although clients must ignore it.
"""

import json
from functools import cache

from rewriting import ROOT, Failure, skip

SCHEMAS = ROOT / "protocol" / "schema"


def _library():
    try:
        import jsonschema
        return jsonschema
    except ImportError:
        skip("needs python3-jsonschema")


@cache
def _documents():
    return {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}


def methods():
    return sorted(name[:-5] for name, d in _documents().items() if "result" in d["$defs"])


def closed(schema):
    """The schema with every object that lists its members allowing no others."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    result = {k: closed(v) for k, v in schema.items()}
    if "properties" in result and result.get("type") == "object" and "additionalProperties" not in result:
        result["additionalProperties"] = False
    return result


@cache
def _validator(file, part, strict):
    jsonschema = _library()
    documents = {name: closed(d) if strict else d for name, d in _documents().items()}
    # Both of jsonschema's ways to find a $ref: Debian 12 has the older.
    store = {name: d for name, d in documents.items()}
    schema = {"$schema": documents[file]["$schema"], "$ref": f"{file}#/$defs/{part}"}
    try:
        from referencing import Registry, Resource
        registry = Registry().with_resources((n, Resource.from_contents(d)) for n, d in documents.items())
        return jsonschema.Draft202012Validator(schema, registry=registry)
    except ImportError:
        resolver = jsonschema.RefResolver("", schema, store=store)
        return jsonschema.Draft202012Validator(schema, resolver=resolver)


def faults(file, part, value, strict=False):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
            for e in _validator(file, part, strict).iter_errors(value)]


def check(file, part, value, what, strict=False):
    if found := faults(file, part, value, strict):
        raise Failure(f"{what} does not follow {file}#{part}:\n" + "\n".join(found[:5]) + f"\n{str(value)[:600]}")


def check_reply(reply, method):
    """A reply to a request of `method` (None: to what was no request)."""
    if "error" in reply:
        return check("rpc.json", "failure", reply, "an error", strict=True)
    check("rpc.json", "reply", reply, "a reply")
    check(f"{method}.json", "result", reply["result"], f"the reply to {method}", strict=True)


def check_notification(message):
    check("rpc.json", "notification", message, "a notification")
    check(f"{message['method']}.json", "params", message["params"], "a notification", strict=True)


def check_request(request):
    """Of a request that was, or will be, served without an error."""
    check("rpc.json", "request", request, "a request")
    if f"{request['method']}.json" in _documents():
        check(f"{request['method']}.json", "params", request.get("params") or {}, f"params of {request['method']}")
