"""The services that tools expect beside FlyteAdmin's: health and server reflection."""
import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import flyte

ADMIN = "flyteidl.service.AdminService"


@pytest.mark.parametrize("service", ["", ADMIN, "grpc.health.v1.Health"])
def test_health_check_serves(gateway, service):
    g = gateway()
    with g.channel() as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_check_of_an_unknown_service_is_not_found(gateway):
    g = gateway()
    with g.channel() as channel, pytest.raises(grpc.RpcError) as error:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="no.such"), timeout=60)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    with g.channel() as channel, pytest.raises(grpc.RpcError) as error:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="x" * 5000), timeout=60)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.value.details() == ("message too large (message larger than max): more than the 4096 bytes of a call that "
                                     "needs no token")  # no key of the configuration


def test_health_watch_tells_the_state_and_its_end(gateway):
    g = gateway()
    with g.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert g.stop() == 0
        rest = []
        with pytest.raises(grpc.RpcError):
            for answer in watch:
                rest.append(answer.status)
            raise grpc.RpcError("ended without an error")
        assert health_pb2.HealthCheckResponse.SERVING not in rest


def test_health_watch_of_an_unknown_service_stays_open(gateway):
    g = gateway()
    with g.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="no.such"), timeout=60)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert watch.is_active()
        watch.cancel()


def test_reflection_lists_the_services(gateway):
    g = gateway()
    with g.channel() as channel:
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {ADMIN, "grpc.health.v1.Health"} <= services
    assert any(s.startswith("grpc.reflection.v1") for s in services)


def test_reflection_is_enough_to_make_a_call(gateway):
    """What grpcurl does: learn the types from the server, then call."""
    g = gateway()
    with g.channel() as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(ADMIN).FindMethodByName("CreateTaskEvent")
        learned = message_factory.GetMessageClass(method.input_type).FromString(flyte.task(error="why").SerializeToString())
        assert learned.event.error.message == "why"
        channel.unary_unary(f"/{ADMIN}/CreateTaskEvent", request_serializer=lambda m: m.SerializeToString())(learned, timeout=60)
    g.settled(1)
    flyte.assert_documented(g.lines()[0], flyte.task(error="why"), same_bytes=False)


def test_reflection_of_the_newer_protocol(gateway):
    """v1 has the messages of v1alpha under another name."""
    g = gateway()
    with g.channel() as channel:
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                     request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                     response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        answer = next(call(iter([reflection_pb2.ServerReflectionRequest(list_services="*")]), timeout=60))
    assert ADMIN in [s.name for s in answer.list_services_response.service]


def test_reflection_says_not_found(gateway):
    g = gateway()
    with g.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.Such"),
                                                  reflection_pb2.ServerReflectionRequest(file_by_filename="no.proto")]), timeout=60)
        assert [a.error_response.error_code for a in answers] == [grpc.StatusCode.NOT_FOUND.value[0]] * 2
