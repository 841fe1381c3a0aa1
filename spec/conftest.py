"""Fixtures of every test of the real program. Each test has its own folder, gateway and topics; the Kafka broker is
started once a run and shared."""
import contextlib
import fcntl
import json
import os
import re
import signal
import time

import pytest

import aws as aws_server
import kafka as kafka_server
import pubsub as pubsub_server
from gateway import FILE, Gateway
from wait import gone, wait_until


@pytest.fixture
def gateway(tmp_path):
    """gateway(config, …) starts one and waits until it is ready; all are gone when the test ends."""
    running = []

    def start(config=FILE, files=None, started=True, name="gw", **options):
        g = Gateway(tmp_path / name, config, **options)
        running.append(g)
        for path, text in (files or {}).items():
            g.write(path, text)
        return g.start() if started else g
    yield start
    for g in running:
        g.kill()
        report_sanitizer(g)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """kept(config): one for every test of the file."""
    running = []

    def start(config=FILE, **options):
        g = Gateway(tmp_path_factory.mktemp("kept") / "gw", config, **options)
        running.append(g)
        return g.start()
    yield start
    for g in running:
        assert g.stop() == 0, g.log()
        report_sanitizer(g)


def report_sanitizer(g):
    """A sanitizer's report fails the test that caused it, wherever it came up."""
    if os.path.exists(g.log_file):
        found = re.search(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:).*", g.log(), re.S)
        assert not found, found.group(0)[:6000]


@contextlib.contextmanager
def shared_state(root):
    """A JSON file shared by the processes of one run, held while in the block."""
    path = root / "kafka.json"
    with open(path, "a+", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        state = json.loads(f.read() or "{}")
        yield state
        f.seek(0)
        f.truncate()
        f.write(json.dumps(state))


@pytest.fixture(scope="session")
def broker(tmp_path_factory, worker_id):
    """host:port of the run's broker; the last process that uses it ends it."""
    if not kafka_server.installed():
        pytest.skip("no Kafka: run `make test-deps`")
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent
    with shared_state(root) as state:
        if not state.get("users"):
            started = kafka_server.Broker(root / f"kafka-{time.monotonic_ns()}").start()
            state.update(pid=started.process.pid, address=started.address, users=0)
        state["users"] += 1
        address = state["address"]
    yield address
    with shared_state(root) as state:
        state["users"] -= 1
        if state["users"] == 0:
            os.kill(state["pid"], signal.SIGTERM)
            # The process may be another worker's child, so it is watched from outside.
            wait_until(lambda: gone(state["pid"]))


@pytest.fixture
def topic(request):
    """A topic name of this test alone."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", request.node.name)[:40] + f"-{time.monotonic_ns()}"


@pytest.fixture
def own_broker(tmp_path):
    """A broker that the test may stop, kill and start again."""
    if not kafka_server.installed():
        pytest.skip("no Kafka: run `make test-deps`")
    b = kafka_server.Broker(tmp_path / "kafka").start()
    yield b
    b.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def shared_aws(tmp_path_factory):
    server = aws_server.Server(tmp_path_factory.mktemp("aws"))
    yield server
    server.close()


@pytest.fixture
def aws(shared_aws):
    """SNS, SQS and STS of this process's tests, with every signature checked. Faults end with the test that ordered them."""
    yield shared_aws
    shared_aws.faults()


@pytest.fixture
def name(topic):
    """A name for a queue or a topic of this test alone."""
    return topic.replace(".", "-")


@pytest.fixture(scope="session")
def shared_pubsub():
    server = pubsub_server.Server()
    yield server
    server.close()


@pytest.fixture
def pubsub(shared_pubsub):
    """Pub/Sub of this process's tests; what one test told it to do ends with the test."""
    yield shared_pubsub
    shared_pubsub.up()
    shared_pubsub.forget()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """Google's emulator, where the Google Cloud CLI has brought it."""
    if not pubsub_server.emulator_jar():
        pytest.skip("no emulator of Pub/Sub: it comes with the Google Cloud CLI alone (google-cloud-cli-pubsub-emulator), no registry has it")
    server = pubsub_server.Emulator(tmp_path_factory.mktemp("emulator"))
    yield server
    server.close()
