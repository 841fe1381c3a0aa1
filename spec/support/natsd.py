"""nats-server as a process that a test may stop, kill and start again on its port, and nats-py as what reads it."""
import asyncio
import json
import os
import shutil
import signal
import subprocess
import threading

import nats
from nats.js.api import StreamConfig

from gateway import free_port
from wait import wait_until


def installed():
    return shutil.which("nats-server") is not None


def certificates(folder):
    """ca.pem, s.pem and s.key for localhost and 127.0.0.1, c.pem and c.key for a client."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    os.makedirs(folder, exist_ok=True)
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test-ca")
    for name, subject in (("s", "localhost"), ("c", "gw")):
        openssl("req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-copy_extensions", "copy", "-days", "2", "-out", f"{name}.pem")


class Server:
    def __init__(self, folder, *args, conf=None):
        self.folder, self.args, self.process = str(folder), list(args), None
        os.makedirs(self.folder, exist_ok=True)
        if conf:
            with open(os.path.join(self.folder, "server.conf"), "w", encoding="utf-8") as f:
                f.write(conf)
            self.args += ["-c", "server.conf"]
        self.port = free_port()

    def log(self):
        with open(os.path.join(self.folder, "server.log"), encoding="utf-8") as f:
            return f.read()

    def start(self):
        with open(os.path.join(self.folder, "server.log"), "wb") as log:
            self.process = subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(self.port), *self.args],
                                            cwd=self.folder, stdout=log, stderr=log)
        wait_until(lambda: "Server is ready" in self.log() or self.process.poll() is not None, self.log)
        assert self.process.poll() is None, self.log()
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Client:
    """nats-py on a thread of its own: the judge of what arrives."""
    def __init__(self, server, **options):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.messages = []
        self.nc = self.wait(nats.connect(f"nats://{server.address}", allow_reconnect=False, **options))
        self.js = self.nc.jetstream()

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def subscribe(self, subject):
        """What comes from now on goes to messages."""
        async def take(m):
            self.messages.append(m)

        async def begin():
            await self.nc.subscribe(subject, cb=take)
            await self.nc.flush()
        self.wait(begin())
        return self

    def got(self, n):
        wait_until(lambda: len(self.messages) >= n, lambda: f"{len(self.messages)} of {n} messages")
        assert len(self.messages) == n
        return self.messages

    def stream(self, name, subject, **options):
        self.wait(self.js.add_stream(StreamConfig(name=name, subjects=[subject], **options)))
        return self

    def kept(self, name):
        """All messages of a stream, in order."""
        async def read():
            last = (await self.js.stream_info(name)).state.last_seq
            return [await self.js.get_msg(name, seq) for seq in range(1, last + 1)]
        return self.wait(read())

    def close(self):
        self.wait(self.nc.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


def ids(messages):
    return [json.loads(m.data)["id"] for m in messages]
