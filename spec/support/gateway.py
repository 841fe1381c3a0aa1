"""The real gateway as a process: started on ports the kernel chooses, watched through its own admin listener."""
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess

import grpc
from prometheus_client.parser import text_string_to_metric_families

from wait import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("GW_BINARY") or os.path.join(ROOT, "build/release/moongate")

LISTEN = """\
ingest: {grpc: {listen: 127.0.0.1:0}, http: {listen: 127.0.0.1:0}}
"""
ADMIN = "admin: {listen: 127.0.0.1:0}\n"
STOP = "shutdown_timeout: 3s\n"
LOG = "log: {segment_bytes: 1MiB}\n"
FILE = """\
pipelines:
  - name: all
    publisher: {type: file, path: all.jsonl}
"""


def complete(config):
    """The configuration with listeners on free ports, a short stop and a small log, where it says nothing of them itself."""
    head = "" if re.search(r"^ingest:", config, re.M) else LISTEN
    head += "" if re.search(r"^admin:", config, re.M) else ADMIN
    head += "" if re.search(r"^log:", config, re.M) else LOG
    head += "" if re.search(r"^shutdown_timeout:", config, re.M) else STOP
    return head + config


def run(*args, cwd=None, env=None, stdin=None, check=None):
    """One command to its end; check is the exit status it must have."""
    done = subprocess.run([BINARY, *map(str, args)], cwd=cwd, env=dict(os.environ, **(env or {})), input=stdin, text=True,
                          capture_output=True, timeout=120, check=False)
    if check is not None:
        assert done.returncode == check, f"exit {done.returncode}, not {check}\n{done.stdout}\n{done.stderr}"
    return done


class Gateway:
    def __init__(self, folder, config=FILE, env=None, args=(), config_file=True):
        self.folder, self.args, self.env = str(folder), list(args), dict(os.environ, **(env or {}))
        self.config_file = os.path.join(self.folder, "moongate.yaml") if config_file else None
        self.ready_file = os.path.join(self.folder, "ready.json")
        self.log_file = os.path.join(self.folder, "stderr.log")
        self.process = None
        self.addresses = {}
        os.makedirs(self.folder, exist_ok=True)
        if config_file:
            self.configure(config)

    def configure(self, config):
        with open(self.config_file, "w", encoding="utf-8") as f:
            f.write(complete(config))

    # ---- the process
    def spawn(self):
        """Starts it and does not wait."""
        if os.path.exists(self.ready_file):
            os.unlink(self.ready_file)
        argv = [BINARY, "run", *(["-c", self.config_file] if self.config_file else []), "--ready-file", self.ready_file, *self.args]
        with open(self.log_file, "ab") as log, open(os.path.join(self.folder, "stdout.log"), "ab") as out:
            self.process = subprocess.Popen(argv, cwd=self.folder, env=self.env, stdout=out, stderr=log)
        return self

    def start(self):
        self.spawn()
        wait_until(lambda: os.path.exists(self.ready_file) or self.process.poll() is not None, self.log)
        assert self.process.poll() is None, f"ended at start with {self.process.poll()}:\n{self.log()}"
        with open(self.ready_file, encoding="utf-8") as f:
            self.addresses = json.load(f)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit status, once it has ended by itself."""
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end:\n" + self.log()) from None

    def stop(self):
        """SIGTERM, and what came of it."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait() if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def restart(self):
        assert self.stop() == 0, self.log()
        return self.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def grpc(self):
        return self.addresses["grpc"]

    @property
    def http(self):
        return self.addresses["http"]

    @property
    def admin(self):
        return self.addresses["admin"]

    # ---- what it says
    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stdout(self):
        with open(os.path.join(self.folder, "stdout.log"), encoding="utf-8") as f:
            return f.read()

    def get(self, path):
        """(status, body) of a GET on the admin listener."""
        return request(self.admin, "GET", path)[::2]

    def pipelines(self):
        """By name; each snapshot that is read anywhere in the tests is held to the identity."""
        status, body = self.get("/api/pipelines")
        assert status == 200, body
        every = json.loads(body)
        for p in every:
            assert p["accepted"] == p["published"] + p["filtered"] + p["dead_lettered"] + p["lag"], p
        return {p["name"]: p for p in every}

    def pipeline(self, name="all"):
        return self.pipelines()[name]

    def settled(self, accepted=None, name=None):
        """Waits until nothing is behind (and so many events were accepted); the pipelines by name."""
        def done():
            every = self.pipelines()
            mine = [every[name]] if name else every.values()
            return every if all(p["lag"] == 0 and (accepted is None or p["accepted"] >= accepted) for p in mine) else None
        return wait_until(done, lambda: f"{self.pipelines()}\n{self.log()[-3000:]}")

    def metrics(self):
        """{(name, frozenset(labels)): value}"""
        status, body = self.get("/metrics")
        assert status == 200, body
        return {(s.name, frozenset(s.labels.items())): s.value for f in text_string_to_metric_families(body) for s in f.samples}

    def metric(self, name, **labels):
        """The sum over every sample that has these labels; 0 where there is none."""
        want = set(labels.items())
        return sum(v for (n, got), v in self.metrics().items() if n == name and want <= got)

    # ---- what it wrote
    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name="all.jsonl"):
        """The events of a file publisher."""
        path = self.path(name)
        if not os.path.exists(path):
            return []
        running = self.process and self.process.poll() is None
        with open(path, encoding="utf-8") as f:                # what is being written may be seen in parts
            return [json.loads(line) for line in f if line.endswith("\n") or not running]

    def ids(self, name="all.jsonl"):
        return [e["id"] for e in self.lines(name)]

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def replace(self, name, text):
        """As most editors save: another file is renamed over it."""
        self.write(name + ".new", text)
        os.rename(self.path(name + ".new"), self.path(name))

    # ---- clients
    def channel(self, **options):
        return grpc.insecure_channel(self.grpc, **options)

    def post(self, path, body, content_type="application/json", headers=None):
        """(status, headers, body) of a POST on the HTTP listener."""
        return request(self.http, "POST", path, body, dict({"content-type": content_type}, **(headers or {})))


def request(address, method, path, body=None, headers=None):
    """(status, headers, body) of one HTTP request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def free_port():
    """A port that was free a moment ago, for servers that cannot be told 0 or come back where they were: below those
    that the kernel (net.ipv4.ip_local_port_range) gives to whoever connects or listens meanwhile."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(10000, 32768)))
            except OSError:
                continue
            return s.getsockname()[1]


