"""A FlyteAdmin to stand in front of: flyteidl's own service, and any other method in all four kinds."""
import threading

import grpc
from flyteidl.admin import event_pb2
from flyteidl.service import admin_pb2_grpc

import flyteadmin

OTHER = "/flyteidl.service.Other/"


def raw(data):
    return data


class Upstream(flyteadmin.Auth, admin_pb2_grpc.AdminServiceServicer):
    """Answers as the metadata of a call says (`x-code`), and writes down what it was asked."""

    def __init__(self):
        self.events, self.metadata, self.remaining = [], [], []
        self.taken = set()                     # with `keeps`: a second time is ALREADY_EXISTS
        self.keeps, self.gate, self.ended = False, None, threading.Event()
        self.produced = self.read = 0

    def note(self, context):
        said = [(k, v) for k, v in context.invocation_metadata()]
        self.metadata.append(said)
        self.remaining.append(context.time_remaining())
        if not context.add_callback(self.ended.set):               # it has ended already
            self.ended.set()
        return dict(said)

    def answer(self, context, said):
        context.send_initial_metadata((("x-initial", "1"), ("x-initial-bin", b"\0\xff")))
        context.set_trailing_metadata((("x-trailing", "a"), ("x-trailing", "b"), ("x-trailing-bin", b"\1\xfe,")))
        if self.gate:
            self.gate.wait(30)
        code = said.get("x-code")
        if code and code != "OK":
            context.set_trailing_metadata((("x-trailing", "a"), ("x-trailing-bin", b"\1\xfe,"),
                                           ("grpc-status-details-bin", b"\x08\x05\x12\x03abc")))
            context.abort(grpc.StatusCode[code], f"it is {code}: 100% “so”\n")

    def event(self, request, context, answer):
        said = self.note(context)
        self.events.append(request)
        key = request.SerializeToString(deterministic=True)
        if self.keeps and key in self.taken:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "there already")
        self.taken.add(key)
        self.answer(context, said)
        return answer

    def CreateWorkflowEvent(self, request, context):
        return self.event(request, context, event_pb2.WorkflowExecutionEventResponse())

    def CreateNodeEvent(self, request, context):
        return self.event(request, context, event_pb2.NodeExecutionEventResponse())

    def CreateTaskEvent(self, request, context):
        return self.event(request, context, event_pb2.TaskExecutionEventResponse())

    # ---- other methods: bytes
    def unary(self, request, context):
        self.answer(context, self.note(context))
        return request[::-1]

    def server(self, request, context):
        """So many messages of so many bytes."""
        self.answer(context, self.note(context))
        n, size = map(int, request.split())
        for _ in range(n):
            self.produced += 1
            yield b"x" * size

    def client(self, requests, context):
        said = self.note(context)
        total = 0
        for r in requests:
            self.read += 1
            total += len(r)
            if self.gate:
                self.gate.wait(30)
        if said.get("x-code"):
            self.answer(context, said)
        return str(total).encode()

    def both(self, requests, context):
        self.answer(context, self.note(context))
        for r in requests:
            yield r[::-1]


class Others(grpc.GenericRpcHandler):
    def __init__(self, upstream):
        self.handlers = {"Unary": grpc.unary_unary_rpc_method_handler(upstream.unary, raw, raw),
                         "Server": grpc.unary_stream_rpc_method_handler(upstream.server, raw, raw),
                         "Client": grpc.stream_unary_rpc_method_handler(upstream.client, raw, raw),
                         "Both": grpc.stream_stream_rpc_method_handler(upstream.both, raw, raw)}

    def service(self, details):
        return self.handlers.get(details.method.removeprefix(OTHER))


LIMITS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


def served(upstream, credentials=None, port=0):
    """Its address."""
    return flyteadmin.served(upstream, credentials, port, (Others(upstream),), (*LIMITS, ("grpc.so_reuseport", 0)))
