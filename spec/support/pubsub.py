"""Google Cloud Pub/Sub on 127.0.0.1: pstest with the real service's limits (pubsub/), and google-cloud-pubsub's own clients
to look at it. `Emulator` is Google's other one, where the Google Cloud CLI has it."""
import concurrent.futures
import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.request

from google.cloud import pubsub_v1

from gateway import ROOT
from wait import wait_until

PROJECT = "test-project"
PROGRAM = os.path.join(ROOT, os.environ.get("TOOLS") or "build/tools", "pubsub", "server")


class Clients:
    """What every server has; address is its host:port, plaintext."""

    @contextlib.contextmanager
    def emulated(self):
        """google-cloud-pubsub's clients read the variable when they are made."""
        before = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = self.address
        try:
            yield
        finally:
            if before is None:
                del os.environ["PUBSUB_EMULATOR_HOST"]
            else:
                os.environ["PUBSUB_EMULATOR_HOST"] = before

    def publisher(self, **options):
        with self.emulated():
            return pubsub_v1.PublisherClient(**options)

    def subscriber(self):
        with self.emulated():
            return pubsub_v1.SubscriberClient()

    def env(self, **more):
        """The environment of a gateway whose Pub/Sub this is."""
        return {"PUBSUB_EMULATOR_HOST": self.address, **more}

    def topic(self, name, **fields):
        """Makes a topic: its whole name."""
        path = f"projects/{PROJECT}/topics/{name}"
        with self.publisher() as client:
            client.create_topic(request={"name": path, **fields})
        return path

    def subscription(self, name, topic, ordered=False, **fields):
        """Makes a subscription of a topic of this project: its whole name."""
        path = f"projects/{PROJECT}/subscriptions/{name}"
        with self.subscriber() as client:
            client.create_subscription(request={"name": path, "topic": f"projects/{PROJECT}/topics/{topic}",
                                                "enable_message_ordering": ordered, "ack_deadline_seconds": 60, **fields})
        return path

    def pair(self, name, ordered=True, **fields):
        """A topic and a subscription, both of this name."""
        self.topic(name)
        return self.subscription(name, name, ordered=ordered, **fields)

    def read(self, subscription, n):
        """n messages or more, in the order that google-cloud-pubsub's streaming subscriber gives them; acknowledged."""
        messages, enough = [], threading.Event()
        client = self.subscriber()

        def take(m):
            messages.append(m)
            m.ack()
            if len(messages) >= n:
                enough.set()
        # One thread calls back, so the order is that of the stream.
        pool = pubsub_v1.subscriber.scheduler.ThreadScheduler(concurrent.futures.ThreadPoolExecutor(max_workers=1))
        stream = client.subscribe(subscription, take, scheduler=pool)
        if n:
            assert enough.wait(60), f"{len(messages)} of {n} messages of {subscription}"
        stream.cancel()
        stream.result()
        client.close()
        return messages

    def pull(self, subscription, n):
        """n messages or more, in any order and much faster; acknowledged."""
        messages = []
        with self.subscriber() as client:
            while len(messages) < n:
                some = client.pull(subscription=subscription, max_messages=1000, timeout=60).received_messages
                messages += [r.message for r in some]
                if some:
                    client.acknowledge(subscription=subscription, ack_ids=[r.ack_id for r in some])
        return messages

    def publish(self, name, bodies, **attributes):
        """Each body is a message of the topic of this name: their ids."""
        with self.publisher() as client:
            path = f"projects/{PROJECT}/topics/{name}"
            return [f.result() for f in [client.publish(path, body, **attributes) for body in bodies]]


class Server(Clients):
    """options: "-cert FILE -key FILE" opens a port with TLS, too; "-quiet" keeps no record."""

    def __init__(self, *options):
        self.process = subprocess.Popen([PROGRAM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, f"{PROGRAM} did not start"
        self.address, self.control, *tls = line.split()
        self.tls_address = tls[0] if tls else None
        self.url = "http://" + self.address

    def say(self, path, what=None):
        data = None if what is None else json.dumps(what).encode()
        with urllib.request.urlopen(urllib.request.Request(f"http://{self.control}/{path}", data)) as answer:
            return answer.read()

    def faults(self, *faults):
        """What the next calls meet, one each: {"method": "Publish", "code": "UNAVAILABLE", "message":, "delay": s,
        "retry_after": s, "done": True (carried out, the answer lost), "messages": n (a stream breaks after so many), "containing": text (only who publishes data with it)}.
        Without a code it goes on after the delay; without a method it is Publish."""
        self.say("faults", faults)

    def always(self, *rules):
        """Until the next always(): {"every": 3 (or every one), "codes": [… in turn], and what a fault has}."""
        self.say("always", rules)

    def token(self, token):
        """The only bearer token that is taken from now on; "": whatever there is."""
        self.say("token", token)

    def calls(self, method="Publish", name=None):
        """The record of each call: method, name (topic, subscription), metadata, code ("OK", "NotFound"), messages
        ([{"data": base64, "attributes", "ordering_key"}]), bytes; ids and deadline
        of Acknowledge and ModifyAckDeadline; of StreamingPull `sent`, the client's requests as text."""
        path = name and {"Publish": "topics", "GetTopic": "topics"}.get(method, "subscriptions")
        wanted = name and f"projects/{PROJECT}/{path}/{name}"
        return [c for c in json.loads(self.say("calls")) if c["method"] == method and (not name or c["name"] == wanted)]

    def clock(self, seconds):
        """Moves the server's clock, and with it every deadline. Messages that nobody took for ten minutes are gone."""
        self.say("clock", seconds)

    def left(self, name):
        """How many messages of a topic nobody has acknowledged."""
        return json.loads(self.say(f"left?topic=projects/{PROJECT}/topics/{name}"))

    def emptied(self, name, but=0):
        wait_until(lambda: self.left(name) == but, lambda: str(self.left(name)))

    def forget(self):
        """No faults, no rules, any token."""
        self.say("forget")

    def down(self, gracefully=False):
        """Nobody listens any more, every connection is gone. What was published stays until the server ends."""
        self.say("close" + ("?gracefully=1" if gracefully else ""))

    def up(self):
        self.say("open")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def emulator_jar():
    program = shutil.which("gcloud")
    if not program:
        return None
    home = os.path.dirname(os.path.dirname(os.path.realpath(program)))
    return next(iter(glob.glob(os.path.join(home, "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"))), None)


class Emulator(Clients):
    def __init__(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        self.url = "http://" + self.address
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "emulator.log"), "wb") as log:
            self.process = subprocess.Popen(["java", "-Xmx256m", "-jar", emulator_jar(), "--host=127.0.0.1",
                                             "--port=" + self.address.split(":")[1]], stdout=log, stderr=log)
        wait_until(self.ready)

    def ready(self):
        assert self.process.poll() is None
        try:
            with urllib.request.urlopen(self.url) as answer:
                return answer.read().startswith(b"Ok")
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()
