"""`data: json` beside Google's own runtime: the same names in the same order with the same values, of every message that can be reached
from Flyte's requests and actions, each filled with the ends of what its fields hold, and of messages at random. The JSON that the runtime
prints is read here as what it was printed of.

COUNT=20000 SEED=7 makes more of the latter; `make test-judges` does. What JSON cannot tell is refused here as it is there."""
import base64
import http.client
import json
import math
import os
import struct

import pytest
from flyteidl2.workflow import events_proxy_service_pb2 as actions
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as F

import flyte
import messages

COUNT, SEED = int(os.environ.get("COUNT") or 100), int(os.environ.get("SEED") or 1)
VARIANTS = 3                        # of each reachable message, with other values and other members of its oneofs
CONFIG = """
ingest: {http: {listen: 127.0.0.1:0}}
pipelines:
  - {name: all, format: {data: json}, publisher: {type: file, path: all.jsonl}}
"""
ACTION = actions.RecordRequest().events.add()
ROOTS = {**flyte.MESSAGES, "action": type(ACTION)}

TEXTS = ["", "a", "\x00\x01\x1f\x7f\b\f\n\r\t\"\\/", "é 東京 😀 \u0301", "\u2028\u2029\ufeff\uffff\ufdd0\U0010ffff", "<&>'", "x" * 300]
BYTES = [b"", b"\x00", b"\xff\xfe", b"abc", bytes(range(256))]
DOUBLES = [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e21, 1e-7, 123456789012345680.0, 2**53 + 2.0]
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 0.1, 3.4028234663852886e38, 1e-45, 16777216.0, 1 / 3]
FINITE = [d for d in DOUBLES if math.isfinite(d)]
TIMES = [(0, 0), (-62135596800, 0), (253402300799, 999999999), (-1, 1), (1, 120000000), (1, 123456000)]
SPANS = [(0, 0), (315576000000, 0), (-315576000000, 0), (0, -1), (-3, -500000000), (1, 1000), (315575999999, 999999999)]


class Ends(messages.Maker):
    """Every value is an end of its type's range; `at` goes through them in turn, so that few messages have them all."""

    def __init__(self, seed):
        super().__init__(seed)
        self.at = 0

    def next(self, values):
        self.at += 1
        return values[self.at % len(values)]

    def scalar(self, f):
        if f.type in messages.INT:
            low, high = messages.INT[f.type]
            return self.next([low, high, 0, 1, high - 1, max(low, -1)])
        if f.type == F.TYPE_BOOL:
            return self.next([True, False])
        if f.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
            return self.next(DOUBLES if f.type == F.TYPE_DOUBLE else FLOATS)
        if f.type in (F.TYPE_STRING, F.TYPE_BYTES):
            return self.next(TEXTS if f.type == F.TYPE_STRING else BYTES)
        return self.next([v.number for v in f.enum_type.values] + [77, -1, 2**31 - 1, -2**31])

    def known(self, m):
        name = m.DESCRIPTOR.full_name
        if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            m.seconds, m.nanos = self.next(TIMES if name.endswith("p") else SPANS)
        elif name == "google.protobuf.Value":
            kind = self.next(["number", "text", "bool", "null", "none", "list", "struct"])
            if kind == "number":
                m.number_value = self.next(FINITE)
            elif kind == "text":
                m.string_value = self.next(TEXTS)
            elif kind == "bool":
                m.bool_value = self.next([True, False])
            elif kind == "null":
                m.null_value = 0
            elif kind == "list":
                m.list_value.values.add().number_value = self.next(FINITE)
                m.list_value.values.add()
            elif kind == "struct":
                for key in ("b", "", "é", "a"):
                    m.struct_value.fields[key].bool_value = self.next([True, False])
        else:
            return False
        return True

    def whole(self, m, member):
        """Each field set, of a oneof the one of that number."""
        if self.known(m):
            return m
        for f in m.DESCRIPTOR.fields:
            of = f.containing_oneof and f.containing_oneof.fields
            if of and of[member % len(of)] is not f and of[member % len(of)].name != f.name:
                continue
            if f.message_type and f.message_type.GetOptions().map_entry:
                self.entries(m, f, 5)
            elif f.is_repeated:
                for _ in range(1 + member % 3):
                    if f.message_type:
                        self.known(getattr(m, f.name).add())
                    else:
                        getattr(m, f.name).append(self.scalar(f))
            elif f.message_type:
                getattr(m, f.name).SetInParent()
                self.known(getattr(m, f.name))
            else:
                setattr(m, f.name, self.scalar(f))
        return m


def reachable(d):
    """The shortest way to each message: its fields' names, a map's with its entry."""
    found, queue = {d.full_name: ()}, [(d, ())]
    for d, path in queue:
        for f in d.fields:
            message, step = f.message_type, (f,)
            if message and message.GetOptions().map_entry:
                message = message.fields_by_name["value"].message_type
            if message and message.full_name not in found:
                found[message.full_name] = path + step
                queue.append((message, path + step))
    return found


def enter(m, f):
    """The message in that field, made."""
    if not f.is_repeated:
        getattr(m, f.name).SetInParent()
        return getattr(m, f.name)
    if f.message_type.GetOptions().map_entry:
        key = f.message_type.fields_by_name["key"]
        return getattr(m, f.name)["k" if key.type == F.TYPE_STRING else 7]
    return getattr(m, f.name).add()


def made(kind):
    maker = Ends(SEED)
    for path in reachable(ROOTS[kind].DESCRIPTOR).values():
        for member in range(VARIANTS):
            root = at = ROOTS[kind]()
            for f in path:
                at = enter(at, f)
            maker.whole(at, member)
            yield root
    for _ in range(COUNT // len(ROOTS)):
        yield maker.fill(ROOTS[kind]())


# ---- what Google says, objects as tuples of pairs

class Single(float):
    """Of 32 bits: whoever reads it gets the same, however many digits it has."""

    def bits(self):
        return struct.pack("f", self)


def by_key(pairs, key=None):
    number = key is not None and key.type != F.TYPE_STRING
    return tuple(sorted(pairs, key=lambda p: int(p[0]) if number else p[0].encode()))


def free(value):
    """Of a Struct: its names have an order of bytes."""
    if isinstance(value, dict):
        return by_key((k, free(v)) for k, v in value.items())
    return [free(v) for v in value] if isinstance(value, list) else value


def ordered(m, js):
    """MessageToDict's values in the order of the field numbers; the runtime has no order of a map's keys, ours is that of their bytes."""
    if m.DESCRIPTOR.full_name.startswith("google.protobuf."):
        return free(js)
    pairs = []
    for f, value in m.ListFields():
        told, message = js[f.json_name], f.message_type
        if message and message.GetOptions().map_entry:
            inner = message.fields_by_name["value"].message_type
            told = by_key(((k, ordered(value[k], v) if inner else v) for k, v in told.items()), message.fields_by_name["key"])
        elif message:
            told = [ordered(x, v) for x, v in zip(value, told, strict=True)] if f.is_repeated else ordered(value, told)
        elif f.type == F.TYPE_FLOAT and not isinstance(told, str):
            assert not f.is_repeated
            told = Single(told)
        pairs.append((f.json_name, told))
    assert len(pairs) == len(js)
    return tuple(pairs)


def google(m):
    return ordered(m, json_format.MessageToDict(m))


def ours(line):
    """A data member, as it stands there."""
    event = dict(json.loads(line, object_pairs_hook=tuple, parse_int=lambda s: -0.0 if s == "-0" else int(s)))
    assert event["datacontenttype"] == "application/json" and "data_base64" not in event
    return event["data"]


def same(got, want):
    if isinstance(want, (tuple, list)):
        return type(got) is type(want) and len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, Single):
        return Single(got).bits() == want.bits()
    if isinstance(want, (int, float)) and not isinstance(want, bool):
        return isinstance(got, (int, float)) and not isinstance(got, bool) and got == want and math.copysign(1, got) == math.copysign(1, want)
    return type(got) is type(want) and got == want


def send(g, every, as_json=False):
    """As protobuf, or as the JSON that Google's runtime prints."""
    connection = http.client.HTTPConnection(g.http, timeout=60)
    for kind, requests in every.items():
        size = 100 if kind == "action" else 1
        path = flyte.REST.get(kind, "/flyteidl2.workflow.EventsProxyService/Record")
        type = "application/json" if as_json else "application/proto" if kind == "action" else "application/octet-stream"
        for i in range(0, len(requests), size):
            m = actions.RecordRequest(events=requests[i:i + size]) if kind == "action" else requests[i]
            connection.request("POST", path, json_format.MessageToJson(m).encode() if as_json else m.SerializeToString(), {"content-type": type})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, (kind, i, answer.status, said)
    connection.close()


def refused():
    """What JSON cannot tell: Google's runtime says so as well."""
    number, other, span, time = (flyte.task(attempt=i) for i in range(4))
    number.event.custom_info.fields["x"].list_value.values.add().number_value = math.inf
    other.event.custom_info.fields["x"].number_value = math.nan
    ttl = span.event.logs.add().ttl
    ttl.seconds, ttl.nanos = 1, -1
    time.event.reported_at.seconds = 253402300800
    return [number, other, span, time]


def test_data_is_what_googles_runtime_prints_and_what_it_prints_is_read(gateway):
    every = {kind: list(made(kind)) for kind in ROOTS}
    requests = [r for of in every.values() for r in of]
    assert len(requests) > 700
    g = gateway(CONFIG)
    send(g, every)
    for r in refused():
        with pytest.raises((json_format.Error, ValueError)):
            json_format.MessageToDict(r)
    send(g, {"task": refused()})
    send(g, every, as_json=True)
    state = g.settled(2 * len(requests) + 4)["all"]
    assert (state["published"], state["dead_lettered"]) == (2 * len(requests), 4), g.log()[-3000:]
    assert g.metric("moongate_events_dead_lettered_total", reason="invalid_event") == 4
    with open(g.path("all.jsonl"), encoding="utf-8") as lines:
        for r, line in zip(requests * 2, lines, strict=True):
            got, want = ours(line), google(r)
            assert same(got, want), f"SEED={SEED}, {r.DESCRIPTOR.name} {base64.b64encode(r.SerializeToString()).decode()}\n{got}\n{want}"
