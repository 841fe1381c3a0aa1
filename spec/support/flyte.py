"""Flyte's requests as its own stubs make them, and what Moongate's documented style promises for each: a second
implementation, written from the contract alone."""
import base64
import json
import os

from flyteidl.admin import event_pb2
from flyteidl.core import execution_pb2, identifier_pb2
from flyteidl.event import event_pb2 as ev
from flyteidl.service import admin_pb2_grpc
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

import percent
from gateway import ROOT

SOURCE = "https://github.com/flyteorg/flyteadmin"
SCHEMA = "https://github.com/flyteorg/flyteidl/blob/master/jsonschema/{}_execution.json"
MESSAGES = {"workflow": event_pb2.WorkflowExecutionEventRequest, "node": event_pb2.NodeExecutionEventRequest,
            "task": event_pb2.TaskExecutionEventRequest}
PHASES = {"workflow": execution_pb2.WorkflowExecution.Phase, "node": execution_pb2.NodeExecution.Phase,
          "task": execution_pb2.TaskExecution.Phase}
METHODS = {"workflow": "CreateWorkflowEvent", "node": "CreateNodeEvent", "task": "CreateTaskEvent"}
REST = {"workflow": "/api/v1/events/workflows", "node": "/api/v1/events/nodes", "task": "/api/v1/events/tasks"}


def execution(name="f1", project="flytesnacks", domain="development"):
    return identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=name)


def workflow(name="f1", phase="RUNNING", project="flytesnacks", seconds=1775543401, error=None):
    event = ev.WorkflowExecutionEvent(execution_id=execution(name, project), phase=PHASES["workflow"].Value(phase), producer_id="propeller")
    event.occurred_at.FromSeconds(seconds)
    if error:
        event.error.CopyFrom(execution_pb2.ExecutionError(code="USER:Unknown", message=error))
    return event_pb2.WorkflowExecutionEventRequest(event=event)


def node(name="f1", node_id="n0", phase="RUNNING", project="flytesnacks", seconds=1775543402, retry_group="0"):
    event = ev.NodeExecutionEvent(id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution(name, project)),
                                  phase=PHASES["node"].Value(phase), retry_group=retry_group)
    event.occurred_at.FromSeconds(seconds)
    return event_pb2.NodeExecutionEventRequest(event=event)


def task(name="f1", node_id="n0", phase="RUNNING", attempt=0, phase_version=0, project="flytesnacks", seconds=1775543403, error=None):
    event = ev.TaskExecutionEvent(
        task_id=identifier_pb2.Identifier(resource_type=identifier_pb2.TASK, project=project, domain="development", name="wf.t", version="v1"),
        parent_node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution(name, project)),
        phase=PHASES["task"].Value(phase), retry_attempt=attempt, phase_version=phase_version)
    event.occurred_at.FromSeconds(seconds)
    if error:
        event.error.CopyFrom(execution_pb2.ExecutionError(code="USER:Unknown", message=error))
    return event_pb2.TaskExecutionEventRequest(event=event)


def kind_of(request):
    return next(kind for kind, message in MESSAGES.items() if isinstance(request, message))


def send(channel, request, **options):
    """One unary call with FlyteAdmin's own stub."""
    stub = admin_pb2_grpc.AdminServiceStub(channel)
    return getattr(stub, METHODS[kind_of(request)])(request, **{"timeout": 60, **options})


def golden(name):
    """The requests of spec/golden/streams/NAME.jsonl, in order."""
    with open(os.path.join(ROOT, "spec/golden/streams", name + ".jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [json_format.ParseDict(row["request"], MESSAGES[row["kind"]]()) for row in rows]


def part(text):
    """A part of an id: ':', '%' and control characters are percent-encoded."""
    return percent.encoded(text, lambda c: c not in ":%" and not (ord(c) < 32 or 127 <= ord(c) < 160))


def execution_of(request):
    event = request.event
    kind = kind_of(request)
    return {"workflow": lambda: event.execution_id, "node": lambda: event.id.execution_id,
            "task": lambda: event.parent_node_execution_id.execution_id}[kind]()


def key_of(request):
    run = execution_of(request)
    return ":".join(part(x) for x in (run.project, run.domain, run.name))


def id_of(request):
    event, kind = request.event, kind_of(request)
    names = PHASES[kind].values()
    phase = PHASES[kind].Name(event.phase) if event.phase in names else str(event.phase)
    rest = {"workflow": lambda: [phase],
            "node": lambda: [event.id.node_id, event.retry_group, phase],
            "task": lambda: [event.parent_node_execution_id.node_id, event.task_id.name, event.task_id.version, str(event.retry_attempt),
                             phase, str(event.phase_version)]}[kind]()
    return ":".join([key_of(request), *map(part, rest)])


def documented(request, source=SOURCE):
    """The structured JSON event, without time (see time_of)."""
    kind = kind_of(request)
    return {"specversion": "1.0", "type": f"com.flyte.resource.{kind}", "source": source, "id": id_of(request),
            "subject": f"admin_event_pb2.{kind.capitalize()}ExecutionEventRequest", "jsonschemaurl": SCHEMA.format(kind),
            "datacontenttype": "application/protobuf", "data_base64": base64.b64encode(request.SerializeToString()).decode()}


def assert_documented(event, request, source=SOURCE, same_bytes=True):
    """The event is what the documented style promises for the request; nothing is missing and nothing added."""
    want, got = documented(request, source), dict(event)
    time = got.pop("time", None)
    if request.event.HasField("occurred_at"):
        stamp = Timestamp()
        stamp.FromJsonString(time)
        assert stamp == request.event.occurred_at, (time, request.event.occurred_at)
    else:
        assert time is None
    data = got.get("data_base64")
    assert MESSAGES[kind_of(request)].FromString(base64.b64decode(data)) == request
    if not same_bytes:
        want["data_base64"] = data
    assert got == want
