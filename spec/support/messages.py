"""Protobuf messages made at random, of whatever a descriptor set declares."""
import os
import random
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

INT = {F.TYPE_INT32: (-2**31, 2**31 - 1), F.TYPE_SINT32: (-2**31, 2**31 - 1), F.TYPE_SFIXED32: (-2**31, 2**31 - 1),
       F.TYPE_UINT32: (0, 2**32 - 1), F.TYPE_FIXED32: (0, 2**32 - 1),
       F.TYPE_INT64: (-2**63, 2**63 - 1), F.TYPE_SINT64: (-2**63, 2**63 - 1), F.TYPE_SFIXED64: (-2**63, 2**63 - 1),
       F.TYPE_UINT64: (0, 2**64 - 1), F.TYPE_FIXED64: (0, 2**64 - 1)}
TEXTS = ["", "a", "é 東京 😀", "x" * 300, '"\\\n\t\x01<&>', "two words"]


class Set:
    """A descriptor set and the classes of its messages."""

    def __init__(self, path):
        self.path = path
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as f:
            files.ParseFromString(f.read())
        self.pool = descriptor_pool.DescriptorPool()
        self.files = files.file
        for file in files.file:
            self.pool.Add(file)

    def types(self):
        """The descriptors of all messages that are no map's entries."""
        def nested(d):
            yield d
            for n in d.nested_types:
                yield from nested(n)
        for file in self.files:
            for d in self.pool.FindFileByName(file.name).message_types_by_name.values():
                yield from (n for n in nested(d) if not n.GetOptions().map_entry)

    def new(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))()


class Maker:
    """Random values; `skip(descriptor)` says of which messages none is made, `scalars` has other ways to a value by type."""

    def __init__(self, seed, skip=lambda d: False):
        self.random = random.Random(seed)
        self.skip = skip

    def number(self, low, high):
        r = self.random
        return r.choice([low, high, 0, 1, r.randint(low, high), r.randint(max(low, -100), min(high, 100))])

    def scalar(self, f):
        r = self.random
        if f.type in INT:
            return self.number(*INT[f.type])
        if f.type == F.TYPE_BOOL:
            return r.random() < 0.5
        if f.type == F.TYPE_DOUBLE:
            return r.choice([0.0, 1.5, 1e308, -1e-7, r.random(), float(r.randint(-10**9, 10**9))])
        if f.type == F.TYPE_FLOAT:
            return struct.unpack("f", struct.pack("f", r.choice([0.0, 1.5, -0.1, r.random()])))[0]
        if f.type == F.TYPE_STRING:
            return r.choice(TEXTS)
        if f.type == F.TYPE_BYTES:
            return r.choice([b"", b"\x00\xff", r.randbytes(r.randint(0, 40))])
        return r.choice(f.enum_type.values).number

    def known(self, m):
        """Values of the well-known types that JSON can tell; False: it is none of them."""
        name, r = m.DESCRIPTOR.full_name, self.random
        if name == "google.protobuf.Timestamp":
            m.seconds, m.nanos = r.randint(-62135596800, 253402300799), r.choice([0, 5, 120000000, r.randint(0, 999999999)])
        elif name == "google.protobuf.Duration":
            m.seconds, m.nanos = r.randint(0, 315576000000), r.choice([0, 7, 500000000])
        elif name == "google.protobuf.Value":
            kind = r.randint(0, 3)
            if kind == 0:
                m.number_value = r.choice([0, -1.5, 7, 1e20])
            elif kind == 1:
                m.string_value = r.choice(TEXTS)
            elif kind == 2:
                m.bool_value = r.random() < 0.5
            else:
                m.list_value.values.add().null_value = 0
        else:
            return False
        return True

    def fill(self, m, depth=0):
        if self.known(m):
            return m
        for f in m.DESCRIPTOR.fields:
            if self.random.random() < (0.3 if depth < 3 else 0.7):
                continue
            if f.containing_oneof and len(f.containing_oneof.fields) > 1 and m.WhichOneof(f.containing_oneof.name):
                continue
            self.field(m, f, depth)
        return m

    def field(self, m, f, depth=0):
        message = f.message_type
        entry = message and message.GetOptions().map_entry
        if message and not entry and (depth > 5 or self.skip(message)):
            return
        if entry:
            self.entries(m, f, depth)
        elif f.is_repeated:
            for _ in range(self.random.randint(1, 3)):
                if message:
                    self.fill(getattr(m, f.name).add(), depth + 1)
                else:
                    getattr(m, f.name).append(self.scalar(f))
        elif message:
            getattr(m, f.name).SetInParent()
            self.fill(getattr(m, f.name), depth + 1)
        else:
            setattr(m, f.name, self.scalar(f))

    def entries(self, m, f, depth):
        key, value = f.message_type.fields_by_name["key"], f.message_type.fields_by_name["value"]
        if value.message_type and (depth > 5 or self.skip(value.message_type)):
            return
        for _ in range(self.random.randint(1, 3)):
            k = self.scalar(key)
            if value.message_type:
                self.fill(getattr(m, f.name)[k], depth + 1)
            else:
                getattr(m, f.name)[k] = self.scalar(value)


def compiled(folder, *files, include):
    """A set that protoc makes of sources."""
    out = os.path.join(folder, "set.desc")
    command = " ".join(["protoc", "--include_imports", *(f"-I {i}" for i in include), f"--descriptor_set_out={out}", *files])
    assert os.system(command) == 0, command
    return out
