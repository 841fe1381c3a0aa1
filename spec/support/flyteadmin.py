"""A FlyteAdmin to ask for records, made of flyteidl's own stubs."""
import concurrent.futures
import contextlib
import re

import grpc
from flyteidl.admin import common_pb2, execution_pb2, task_execution_pb2, task_pb2, workflow_pb2
from flyteidl.service import admin_pb2_grpc, auth_pb2, auth_pb2_grpc


class Admin(admin_pb2_grpc.AdminServiceServicer, auth_pb2_grpc.AuthMetadataServiceServicer):
    """What it is asked for, and by whom; `fail` is how it answers instead. It makes up what it is asked for, until `keep`
    was called: then it has what was kept and no more."""

    def __init__(self):
        self.asked, self.tokens, self.fail, self.gate, self.accepts = [], [], None, None, None
        self.token_url, self.nodes, self.records = "", 1, None

    def keep(self, *records):
        """Executions, workflows, tasks and task executions, by their ids."""
        self.records = self.records or {}
        for r in records:
            self.records[type(r).__name__, r.id.SerializeToString(deterministic=True)] = r
        return self

    def kept(self, kind, id_, context):
        """The record; org plays no part."""
        found = self.records.get((kind, id_.SerializeToString(deterministic=True)))
        if not found:
            context.abort(grpc.StatusCode.NOT_FOUND, f"missing entity of type {kind}")
        return found

    def enter(self, context, what):
        self.asked.append(what)
        said = dict(context.invocation_metadata())
        self.tokens.append(said.get("flyte-authorization"))
        if self.gate:
            self.gate.wait(30)
        if self.accepts is not None and said.get("flyte-authorization") not in self.accepts:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "token is missing or bad")
        if self.fail:
            context.abort(*self.fail)

    def GetTask(self, request, context):
        self.enter(context, f"task {request.id.name} {request.id.version} {request.id.resource_type}")
        if self.records is not None:
            return self.kept("Task", request.id, context)
        if request.id.name == "none":
            context.abort(grpc.StatusCode.NOT_FOUND, "no task “none”, 100%")
        task = task_pb2.Task(id=request.id)
        task.closure.compiled_task.template.type = "spark"
        return task

    def GetExecution(self, request, context):
        self.enter(context, f"execution {request.id.name}")
        if self.records is not None:
            return self.kept("Execution", request.id, context)
        e = execution_pb2.Execution(id=request.id)
        e.spec.launch_plan.name = "nightly"
        return e

    def GetWorkflow(self, request, context):
        self.enter(context, f"workflow {request.id.name} {request.id.version}")
        w = workflow_pb2.Workflow(id=request.id)
        for i in range(self.nodes):
            w.closure.compiled_workflow.primary.template.nodes.add(id=f"n{i}" + "x" * 1000)
        return w

    def ListWorkflows(self, request, context):
        self.enter(context, f"stored {request.id.name} {request.filters} {request.limit}")
        field, version = re.fullmatch(r"eq\((\w+),([^)+;]+)\)", request.filters).groups()
        assert field == "version"
        stored = [w for (kind, _), w in (self.records or {}).items()
                  if kind == "Workflow" and w.id.name == request.id.name and w.id.version == version
                  and (w.id.project, w.id.domain) == (request.id.project, request.id.domain)]
        return workflow_pb2.WorkflowList(workflows=stored[:request.limit])

    def ListTaskExecutions(self, request, context):
        self.enter(context, f"attempts {request.node_execution_id.node_id} {request.sort_by.key} {request.limit}")
        assert request.sort_by.direction == common_pb2.Sort.DESCENDING
        made = [t for (kind, _), t in (self.records or {}).items()
                if kind == "TaskExecution" and t.id.node_execution_id == request.node_execution_id]
        made.sort(key=lambda t: getattr(t.id, request.sort_by.key), reverse=True)
        return task_execution_pb2.TaskExecutionList(task_executions=made[:request.limit])

    def GetOAuth2Metadata(self, request, context):
        return auth_pb2.OAuth2MetadataResponse(token_endpoint=self.token_url)

    def GetPublicClientConfig(self, request, context):
        return auth_pb2.PublicClientAuthConfigResponse(scopes=["all", "offline"], authorization_metadata_key="flyte-authorization",
                                                       audience="https://flyte")


@contextlib.contextmanager
def served(admin, credentials=None, port=0):
    """Its address."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    auth_pb2_grpc.add_AuthMetadataServiceServicer_to_server(admin, server)
    where = f"127.0.0.1:{port}"
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        if admin.gate:
            admin.gate.set()
        server.stop(None).wait()
