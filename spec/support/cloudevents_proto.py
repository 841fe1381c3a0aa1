"""CloudEvents' protobuf format with Google's runtime, and what an event is whatever form it stands in."""
import base64
import json
import os
import tempfile

import messages
from gateway import ROOT

with tempfile.TemporaryDirectory() as _folder:
    SET = messages.Set(messages.compiled(_folder, "io/cloudevents/v1/cloudevents.proto", include=[os.path.join(ROOT, "proto")]))


def event(id="1", source="/spec", type="com.example.spec", spec_version="1.0", **fields):
    return _filled(SET.new("io.cloudevents.v1.CloudEvent"), id=id, source=source, type=type, spec_version=spec_version, **fields)


def _filled(m, attributes=None, **fields):
    for name, value in fields.items():
        if isinstance(value, (str, bytes)):
            setattr(m, name, value)
        else:
            getattr(m, name).ParseFromString(value.SerializeToString())     # of another pool
    for name, (kind, value) in (attributes or {}).items():
        entry = m.attributes[name]
        if kind == "ce_timestamp":
            entry.ce_timestamp.FromJsonString(value)
        else:
            setattr(entry, kind, value)
    return m


def batch(events):
    m = SET.new("io.cloudevents.v1.CloudEventBatch")
    m.events.extend(events)
    return m


def read(data):
    m = SET.new("io.cloudevents.v1.CloudEvent")
    m.ParseFromString(data)
    return m


def read_batch(data):
    m = SET.new("io.cloudevents.v1.CloudEventBatch")
    m.ParseFromString(data)
    return list(m.events)


def plain(e):
    """A structured event in JSON as (attributes as canonical strings, data as bytes or None)."""
    attributes = {k: v if isinstance(v, str) else json.dumps(v) for k, v in e.items() if k not in ("data", "data_base64") and v is not None}
    if "data_base64" in e:
        return attributes, base64.b64decode(e["data_base64"])
    if "data" not in e:
        return attributes, None
    kind = e.get("datacontenttype", "application/json").split(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return attributes, json.dumps(e["data"], sort_keys=True, ensure_ascii=False).encode()
    return attributes, e["data"].encode()
