"""Real traffic against protocol/schema: every method of both programs, errors, notifications, examples."""

import json

import protocol
import schemas_of_messages as schemas
import serving
from contract import covers
from rewriting import ROOT, Failure
from stream import Conversation


def watched(function, work):
    """Runs another test with every message held against its schema. What was seen, by method."""
    seen = set()
    call, reply = Conversation.call, Conversation.reply

    def checked_reply(self):
        before = len(self.notifications)
        message = reply(self)
        for notification in self.notifications[before:]:
            schemas.check_notification(notification)
        return message

    def checked_call(self, method, **params):
        number = self.post(method, **params)
        message = self.reply()
        if message.get("id") == number:
            schemas.check_reply(message, method)
            if "result" in message:
                schemas.check_request({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        seen.add(method)
        if "error" in message:
            raise protocol.RpcError(message["error"])
        return message["result"]

    Conversation.call, Conversation.reply = checked_call, checked_reply
    try:
        function(work)
    finally:
        Conversation.call, Conversation.reply = call, reply
    return seen


@covers("method:emit", "method:results")
def sessions_follow_the_schemas(work):
    seen = set()
    tests = (protocol.a_whole_session, protocol.plan_and_explain_write_nothing, protocol.single_messages_in_any_order,
             protocol.reserved_memory_and_counters, protocol.progress_is_told, protocol.errors_name_the_place,
             protocol.the_template_language, serving.from_open_to_proof, serving.counters_rules_and_plans,
             serving.mistakes_are_named)
    for number, test in enumerate(tests):
        (work / str(number)).mkdir()
        seen |= watched(test, work / str(number))
    unseen = set(schemas.methods()) - seen - {"cancel", "shutdown"}
    protocol.expect(not unseen, f"methods that no test calls: {unseen}")


@covers()
def documented_examples_follow_the_schemas(work):
    methods, seen = {}, set()
    for line in (ROOT / "protocol" / "PROTOCOL.md").read_text().splitlines():
        if line.startswith("    --> "):
            request = json.loads(line[8:])
            schemas.check_request(request)
            methods[request.get("id")] = request["method"]
            seen.add(request["method"])
        elif line.startswith("    <-- "):
            message = json.loads(line[8:])
            if "method" in message:
                schemas.check_notification(message)
            else:
                schemas.check_reply(message, methods[message["id"]])
    protocol.expect(seen == set(schemas.methods()), f"{seen ^ set(schemas.methods())}")


@covers()
def the_schemas_refuse_what_the_service_refuses(work):
    """Otherwise they would say nothing."""
    for method, params in (("patches", {"address": "0x1"}), ("patches", {"address": "x", "deltas": [0], "trampoline": "$a"}),
                           ("patches", {"address": "0x1", "deltas": [0], "trampoline": "$a", "replace": "90"}),
                           ("instructions", {"address": "0x1", "lengths": [0]}), ("instructions", {"address": "0x1", "lengths": "0"}),
                           ("binary", {}), ("binary", {"filename": "a", "descriptor": 0}), ("options", {"lookahead": 6}),
                           ("trampoline", {"name": "a", "template": []}), ("trampoline", {"name": "$a", "template": [256]}),
                           ("counters", {"path": "a", "capacity": 1}), ("explain", {}), ("rewrite", {"rules": []})):
        try:
            schemas.check_request({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        except Failure:
            continue
        raise Failure(f"the schema of {method} takes {params}")
