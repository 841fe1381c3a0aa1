"""What the README shows of SNS and SQS works as it is shown, on a server that checks every signature. `aws` is a stand-in over boto3
for the few calls shown, `moongate` and `curl` are the real ones on ports that the kernel chose."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

import aws as aws_server
from gateway import BINARY, run
from test_readme import blocks
from wait import wait_until

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
from wait import wait_until
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


@pytest.fixture
def shell(tmp_path, aws):
    """shell(text) runs it in a folder of its own; what it leaves running is ended."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in ("aws", AWS), ("moongate", MOONGATE), ("curl", CURL):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    env = dict(os.environ, **aws.env(), PATH=f"{tools}:{os.environ['PATH']}", AWS_DEFAULT_REGION="us-east-2")

    def start(text):
        """(exit status, what it said): into a file, which what runs on may keep open."""
        with open(tmp_path / "said", "w+", encoding="utf-8") as said:
            done = subprocess.run(["bash", "-ec", text], cwd=tmp_path, env=env, stdout=said, stderr=said, timeout=60, check=False)
            said.seek(0)
            return done.returncode, said.read()
    yield start
    if (tmp_path / "ready.json").exists():
        pid = json.loads((tmp_path / "ready.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def iam(request):
    """The permission that a request needs; None: none."""
    named = request["headers"].get("X-Amz-Target", "").split(".")[-1]
    service = "sqs" if named else "sns"
    named = named or re.search(r"Action=(\w+)", request["body"])[1]
    return None if named == "GetCallerIdentity" else f"{service}:{named.removesuffix('Batch')}"


def asked_since(aws, before):
    """By the gateway, not by boto3."""
    return {iam(r) for r in aws.get("/_test/requests")[before:] if r["headers"].get("User-Agent", "").startswith("moongate/")} - {None}


def test_from_nothing_to_events_on_a_topic_in_ten_lines(shell, aws):
    first = blocks("README.md", "sh")[0]
    assert len(first.splitlines()) == 10
    status, said = shell(first)
    assert status == 0 and ": note: topic: SNS topic arn:aws:sns:us-east-2:" in said and '"name":"topic"' in said, said
    arn = f"arn:aws:sns:us-east-2:{aws_server.ACCOUNT}:flyte-events"
    wait_until(lambda: len(aws.published(arn)) == 10, lambda: str(aws.published(arn)))
    assert all("type" in m[3] for m in aws.published(arn))


def test_all_four_are_made_and_found_and_the_policy_is_what_is_needed(shell, gateway, tmp_path, aws):
    status, said = shell(blocks("README.md", "sh")[1])
    assert status == 0, said
    text = next(t for t in blocks("README.md", "yaml") if "ordered-queue" in t)
    text = text.replace("https://sqs.us-east-2.amazonaws.com/", aws.url + "/").replace('.fifo"}', '.fifo", region: us-east-2}').replace(
        'flyte-events"}}', 'flyte-events", region: us-east-2}}')
    (tmp_path / "all.yaml").write_text(text)
    before = len(aws.get("/_test/requests"))
    found = run("check", "-c", tmp_path / "all.yaml", "--online", env=aws.env(), check=0).stdout
    assert found.count(": note: ") == 4 and found.count("(FIFO)") == 2, found
    policy = {s["Sid"]: set(s["Action"]) for s in json.loads(blocks("README.md", "json")[0])["Statement"]}
    source = aws.queue("flyte-source")
    g = gateway(f"ingest: {{grpc: {{listen: '127.0.0.1:0'}}, sqs: [{{queue_url: '{source}'}}]}}\n" + text, env=aws.env())
    aws.fill(source, [json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t"}) for n in range(3)])
    every = g.settled(3)
    assert len(every) == 4 and all(p["published"] == 3 for p in every.values())
    aws.emptied(source)
    # While the log is full messages are held, and their time renewed: sqs:ChangeMessageVisibility, after 20 s (spec/unit/ingest).
    assert asked_since(aws, before) == set().union(*policy.values()) - {"sqs:ChangeMessageVisibility"}
    made = re.findall(r'resource "aws_(\w+?)_\w+" "\w+" \{\n  name +?= "([^"]+)"\n(?:  (fifo_\w+) = true\n)?\}', blocks("README.md", "hcl")[0])
    assert sorted(made) == [("sns", "flyte-events", ""), ("sns", "flyte-events.fifo", "fifo_topic"), ("sqs", "flyte-events", ""),
                            ("sqs", "flyte-events.fifo", "fifo_queue")]
