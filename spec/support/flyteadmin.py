"""A FlyteAdmin to ask for records, made of flyteidl's own stubs, and what every stand-in for FlyteAdmin needs: how a token is
got, and the server."""
import concurrent.futures
import contextlib
import http.server
import json
import re
import threading
import urllib.parse

import grpc
from flyteidl.admin import common_pb2, execution_pb2, task_execution_pb2, task_pb2, workflow_pb2
from flyteidl.service import admin_pb2_grpc, auth_pb2, auth_pb2_grpc


class Auth(auth_pb2_grpc.AuthMetadataServiceServicer):
    """Where a token is to be had (token_endpoint below), and the header it is sent in."""
    token_url = ""

    def GetOAuth2Metadata(self, request, context):
        return auth_pb2.OAuth2MetadataResponse(token_endpoint=self.token_url)

    def GetPublicClientConfig(self, request, context):
        return auth_pb2.PublicClientAuthConfigResponse(scopes=["all", "offline"], authorization_metadata_key="flyte-authorization",
                                                       audience="https://flyte")


class Admin(Auth, admin_pb2_grpc.AdminServiceServicer):
    """What it is asked for, and by whom; `fail` is how it answers instead. It makes up what it is asked for, until `keep`
    was called: then it has what was kept and no more."""

    def __init__(self):
        self.asked, self.tokens, self.fail, self.gate, self.accepts = [], [], None, None, None
        self.nodes, self.records = 1, None

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


@contextlib.contextmanager
def token_endpoint(admin, lives=3600, status=200):
    """Gives tokens t1, t2, … and notes the forms."""
    forms = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):                                # noqa: N802 (http.server's name)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            forms.append({**dict(urllib.parse.parse_qsl(body)), "basic": self.headers.get("Authorization")})
            answer = json.dumps({"access_token": f"t{len(forms)}", "token_type": "bearer", "expires_in": lives}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    admin.token_url = f"http://127.0.0.1:{server.server_port}/token"
    try:
        yield forms
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def served(admin, credentials=None, port=0, handlers=(), options=()):
    """Its address. handlers: for methods beside FlyteAdmin's own."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=options)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    auth_pb2_grpc.add_AuthMetadataServiceServicer_to_server(admin, server)
    server.add_generic_rpc_handlers(handlers)
    where = f"127.0.0.1:{port}"
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        if admin.gate:
            admin.gate.set()
        server.stop(None).wait()
