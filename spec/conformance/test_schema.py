"""The schemas in proto/ are flyteidl's: every message and enum that ours have is the same there, field by field."""
import pathlib
import subprocess

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(path):
    found = descriptor_pb2.FileDescriptorSet()
    found.ParseFromString(pathlib.Path(path).read_bytes())
    return {f.name: f for f in found.file}


def fields(message):
    return sorted((f.name, f.number, f.label, f.type, f.type_name, f.json_name,
                   message.oneof_decl[f.oneof_index].name if f.HasField("oneof_index") else "")
                  for f in message.field)


def messages(prefix, among):
    for m in among:
        yield f"{prefix}.{m.name}", m
        yield from messages(f"{prefix}.{m.name}", m.nested_type)


def enums(f):
    yield from ((f"{f.package}.{e.name}", e) for e in f.enum_type)
    for name, m in messages(f.package, f.message_type):
        yield from ((f"{name}.{e.name}", e) for e in m.enum_type)


def test_schemas_are_flyteidls(tmp_path):
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto").rglob("*.proto")]
    subprocess.run(["protoc", "-I", ROOT / "proto", f"--descriptor_set_out={tmp_path}/ours", *protos], check=True)
    ours, theirs = files(tmp_path / "ours"), files(ROOT / "spec/golden/flyteidl.desc")
    shared = [name for name in ours if name in theirs]
    assert len(shared) >= 19
    for name in shared:
        got, want = ours[name], theirs[name]
        assert got.package == want.package
        theirs_of = dict(messages(want.package, want.message_type))
        for n, m in messages(got.package, got.message_type):
            assert fields(m) == fields(theirs_of[n]), n
        values_of = dict(enums(want))
        for n, e in enums(got):
            assert [(v.name, v.number) for v in e.value] == [(v.name, v.number) for v in values_of[n].value], n


def test_schemas_are_flyteidl2s(tmp_path):
    """Those of the files' messages and enums that an ActionEvent holds."""
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto/flyteidl2").rglob("*.proto")]
    subprocess.run(["protoc", "-I", ROOT / "proto", f"--descriptor_set_out={tmp_path}/ours", *protos], check=True)
    ours, theirs = files(tmp_path / "ours"), files(ROOT / "spec/golden/flyteidl2.desc")
    assert len(ours) == len(protos) >= 7
    for name, got in ours.items():
        want = dict(messages(theirs[name].package, theirs[name].message_type))
        for n, m in messages(got.package, got.message_type):
            assert fields(m) == fields(want[n]), n
        want = dict(enums(theirs[name]))
        for n, e in enums(got):
            assert [(v.name, v.number) for v in e.value] == [(v.name, v.number) for v in want[n].value], n


def test_event_calls_are_flyteadmins():
    theirs = files(ROOT / "spec/golden/flyteidl.desc")["flyteidl/service/admin.proto"].service[0]
    want = {m.name: (m.input_type, m.output_type) for m in theirs.method}
    text = (ROOT / "proto/flyteidl/service/admin.proto").read_text()
    for kind in "Workflow", "Node", "Task":
        took, gave = want[f"Create{kind}Event"]
        assert f"rpc Create{kind}Event({took[1:]}) returns ({gave[1:]})" in text
