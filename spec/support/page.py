"""Pages of documentation as their readers use them: blocks are taken out of the page and run as they stand. `aws` and `gcloud` are stand-ins
over boto3 and google-cloud-pubsub for the few commands shown, `moongate` and `curl` the real ones on ports that the kernel chose."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys

from gateway import BINARY, ROOT
from pubsub import PROJECT
from wait import gone, wait_until

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)
AWS = f"""#!{sys.executable}
import sys, botocore.session
service, call, *rest = sys.argv[1:]
options = dict(zip(rest[::2], rest[1::2]))
client = botocore.session.get_session().create_client(service)
shape = client.meta.service_model.operation_model("".join(w.title() for w in call.split("-"))).input_shape
names = {{n.lower(): n for n in shape.members}}
given = {{names[k[2:].replace("-", "")]: v for k, v in options.items() if k not in ("--query", "--output")}}
if "Attributes" in given:
    given["Attributes"] = dict(pair.split("=") for pair in given["Attributes"].split(","))
answer = getattr(client, call.replace("-", "_"))(**given)
print(answer[options["--query"]] if "--query" in options else answer)
"""
MOONGATE = f"""#!{sys.executable}
import json, os, sys
sys.path[:0] = {[p for p in sys.path if p.endswith("spec/support")]!r}
from gateway import complete
from wait import gone, wait_until
args = sys.argv[1:]
if args[0] == "run":
    with open(args[2]) as f:
        text = f.read()
    with open(args[2], "w") as f:
        f.write(complete(text))
    args += ["--ready-file", "ready.json"]
elif args[0] == "send":
    wait_until(lambda: os.path.exists("ready.json"))
    args += ["--grpc", json.load(open("ready.json"))["grpc"]]
os.execv({BINARY!r}, [{BINARY!r}, *args])
"""
CURL = f"""#!{sys.executable}
import json, sys, urllib.request
print(urllib.request.urlopen("http://" + sys.argv[1].replace("127.0.0.1:9090", json.load(open("ready.json"))["admin"])).read().decode())
"""
GCLOUD = f"""#!{sys.executable}
import argparse
p = argparse.ArgumentParser()
p.add_argument("words", nargs="+")
for option in ("--topic", "--ack-deadline", "--member", "--role"):
    p.add_argument(option)
p.add_argument("--enable-message-ordering", action="store_true")
a = p.parse_args()
project = "projects/{PROJECT}/"
if a.words == ["config", "get-value", "project"]:
    print("{PROJECT}")
elif a.words[:3] == ["pubsub", "topics", "create"]:
    from google.cloud.pubsub_v1 import PublisherClient
    PublisherClient().create_topic(name=project + "topics/" + a.words[3])
elif a.words[:3] == ["pubsub", "subscriptions", "create"]:
    from google.cloud.pubsub_v1 import SubscriberClient
    SubscriberClient().create_subscription(request={{
        "name": project + "subscriptions/" + a.words[3], "topic": project + "topics/" + a.topic,
        "enable_message_ordering": a.enable_message_ordering, "ack_deadline_seconds": int(a.ack_deadline)}})
elif a.words == ["iam", "service-accounts", "create", "moongate"]:
    pass
elif a.words[2] == "add-iam-policy-binding":
    with open("allowed", "a") as f:
        print(a.words[1], a.words[3], a.role, a.member, file=f)
else:
    raise SystemExit("what is " + " ".join(a.words))
"""


def blocks(name, language, word=""):
    """Of a page, those that hold the word."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return [text for kind, text in BLOCK.findall(f.read()) if kind == language and word in text]


@contextlib.contextmanager
def shell(folder, env, **tools):
    """shell(text) runs it in the folder, with moongate, curl and these beside it: (exit status, what it said). What it leaves running is ended."""
    beside = folder / "bin"
    beside.mkdir()
    for name, text in {"moongate": MOONGATE, "curl": CURL, **tools}.items():
        (beside / name).write_text(text)
        (beside / name).chmod(0o755)
    env = dict(os.environ, **env, PATH=f"{beside}:{os.environ['PATH']}")

    def start(text):
        with open(folder / "said", "w+", encoding="utf-8") as said:     # a file, which what runs on may keep open
            done = subprocess.run(["bash", "-ec", text], cwd=folder, env=env, stdout=said, stderr=said, timeout=60, check=False)
            said.seek(0)
            return done.returncode, said.read()
    try:
        yield start
    finally:
        if (folder / "ready.json").exists():
            pid = json.loads((folder / "ready.json").read_text())["pid"]
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: gone(pid))
