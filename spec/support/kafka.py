"""A real Kafka broker (Java, one node) on free ports of 127.0.0.1; services of its own for tests that break it."""
import base64
import glob
import os
import re
import shutil
import signal
import subprocess

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gateway import ROOT, free_port
from wait import wait_until

TOOLS = os.environ.get("TOOLS") or os.path.join(ROOT, "build/tools")
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:0
log.dirs=data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


# Added for a broker that asks who is there: SASL over TLS, and TLS with a client's certificate.
SECURE = """\
listeners=SASL_SSL://127.0.0.1:0,SSL://127.0.0.1:0,PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_gw="pw";
listener.name.ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=ca.pem
"""


def certificates(folder):
    """ca.pem, a server's and a client's certificate in a folder: s.key s.pem c.key c.pem keystore.pem."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=test-ca")
    for name, subject in (("s", "/CN=localhost"), ("c", "/CN=gw")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject, "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy",
                "-days", "30", "-out", f"{name}.pem")
    with open(os.path.join(folder, "keystore.pem"), "w", encoding="ascii") as out:
        for name in ("s.key", "s.pem"):
            with open(os.path.join(folder, name), encoding="ascii") as f:
                out.write(f.read())


def installed():
    return bool(shutil.which("java") and glob.glob(os.path.join(TOOLS, "kafka/lib/kafka_*.jar")))


class Broker:
    def __init__(self, folder, secure=False):
        self.folder, self.process, self.starts, self.secure = str(folder), None, 0, secure
        self.port = 0 if secure else free_port()       # of several listeners one with a port is opened after the others
        self.ports = []                                # of the listeners as listed, CONTROLLER's left out
        os.makedirs(self.folder, exist_ok=True)
        if secure:
            certificates(self.folder)
        self._write()
        cluster = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]   # a leading dash would be an option
        subprocess.run(self._java("-Xmx256m") + ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", "server.properties"],
                       cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _write(self):
        with open(os.path.join(self.folder, "server.properties"), "w", encoding="ascii") as f:
            f.write(PROPERTIES.format(port=self.port) + (SECURE.format(port=self.port) if self.secure else ""))

    @staticmethod
    def _java(*options):
        return ["java", *options, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.log.kafka.network=info", "-cp", os.path.join(TOOLS, "kafka/lib/*")]

    def start(self):
        """Ready when it answers; a broker that was started before keeps its port."""
        self._write()
        self.starts += 1
        log = os.path.join(self.folder, f"kafka-{self.starts}.log")
        with open(log, "wb") as f:
            self.process = subprocess.Popen(self._java("-Xmx512m") + ["kafka.Kafka", "server.properties"], cwd=self.folder,
                                            stdout=f, stderr=f, start_new_session=True)

        def text():
            with open(log, encoding="utf-8", errors="replace") as f:
                return f.read()

        def ready():
            assert self.process.poll() is None, text()[-3000:]
            self.ports = [int(p) for p in re.findall(r"Awaiting socket connections on 127\.0\.0\.1:(\d+)", text())[1:]]
            return len(self.ports) == (3 if self.secure else 1) and "listenerType=BROKER, nodeId=1] Enabling request processing" in text()
        wait_until(ready, text, 120)
        self.port = self.ports[-1]
        wait_until(self._answers)
        return self

    def _answers(self):
        try:
            return AdminClient({"bootstrap.servers": self.address, "log_level": 0}).list_topics(timeout=5)
        except KafkaException:
            return None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

def create(address, topic, partitions=1, **config):
    """A topic that can be read and written when this returns: every partition has its leader."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    new = NewTopic(topic, partitions, 1, config={k.replace("_", "."): str(v) for k, v in config.items()})
    for done in admin.create_topics([new]).values():
        done.result()
    consumer = Consumer({"bootstrap.servers": address, "group.id": "spec", "log_level": 0})
    try:
        wait_until(lambda: all(answers(consumer, topic, p) for p in range(partitions)), f"leaders of {topic}")
    finally:
        consumer.close()


def answers(consumer, topic, partition):
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20) is not None
    except KafkaException:
        return False


def read(address, topic, count, limit_s=60):
    """Every message of a topic, by partition and offset; waits until there are at least count."""
    found = []

    def enough():
        found[:] = read_now(address, topic)
        return len(found) >= count
    wait_until(enough, lambda: f"{len(found)} of {count} messages in {topic}", limit_s)
    return found


def read_now(address, topic):
    """Every message that is in a topic now."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "spec", "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "log_level": 0})
    try:
        meta = consumer.list_topics(topic, timeout=20).topics[topic]
        if meta.error:
            return []
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in meta.partitions}
        todo = {p for p, end in ends.items() if end > 0}
        consumer.assign([TopicPartition(topic, p, 0) for p in todo])
        messages = []

        def finished():
            for m in consumer.consume(1000, 0.2):
                assert not m.error(), m.error()
                messages.append(m)
                if m.offset() + 1 >= ends[m.partition()]:
                    todo.discard(m.partition())
            return not todo
        wait_until(finished, f"reading {topic}")
        return sorted(messages, key=lambda m: (m.partition(), m.offset()))
    finally:
        consumer.close()
