"""What the README shows of Google Pub/Sub works as it is shown. `gcloud` is a stand-in over google-cloud-pubsub for the few commands shown,
which keeps what it is to allow; `moongate` and `curl` are the real ones on ports that the kernel chose."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

import pubsub as pubsub_server
from test_readme import blocks
from test_readme_aws import CURL, MOONGATE
from wait import wait_until

GCLOUD = f"""#!{sys.executable}
import argparse
p = argparse.ArgumentParser()
p.add_argument("words", nargs="+")
for option in ("--topic", "--ack-deadline", "--member", "--role"):
    p.add_argument(option)
p.add_argument("--enable-message-ordering", action="store_true")
a = p.parse_args()
project = "projects/{pubsub_server.PROJECT}/"
if a.words == ["config", "get-value", "project"]:
    print("{pubsub_server.PROJECT}")
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
# What of the API a role allows, as far as the gateway goes (cloud.google.com/pubsub/docs/access-control).
ROLES = {"roles/pubsub.publisher": {"Publish"}, "roles/pubsub.viewer": {"GetTopic", "GetSubscription"},
         "roles/pubsub.subscriber": {"StreamingPull", "Acknowledge", "ModifyAckDeadline"}}


@pytest.fixture
def own():
    """A server of the test's own: the page's names are others' names, too."""
    server = pubsub_server.Server()
    yield server
    server.close()


@pytest.fixture
def shell(tmp_path, own):
    """shell(text) runs it in a folder of its own; what it leaves running is ended."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in ("gcloud", GCLOUD), ("moongate", MOONGATE), ("curl", CURL):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    env = dict(os.environ, **own.env(), PATH=f"{tools}:{os.environ['PATH']}")

    def start(text):
        with open(tmp_path / "said", "w+", encoding="utf-8") as said:
            done = subprocess.run(["bash", "-ec", text], cwd=tmp_path, env=env, stdout=said, stderr=said, timeout=60, check=False)
            said.seek(0)
            return done.returncode, said.read()
    yield start
    if (tmp_path / "ready.json").exists():
        pid = json.loads((tmp_path / "ready.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def shown(language, word):
    return [text for text in blocks("README.md", language) if word in text]


def test_from_nothing_to_events_on_a_topic_and_what_is_to_be_allowed(shell, own, tmp_path):
    first, then = shown("sh", "gcloud")
    assert len(first.splitlines()) == 10
    status, said = shell(first)
    assert status == 0 and ": note: topic: " in said and '"name":"topic"' in said, said
    wait_until(lambda: sum(len(c["messages"]) for c in own.calls("Publish", "flyte-events")) == 10)
    called = {m for m in ("Publish", "GetTopic") if own.calls(m, "flyte-events")}
    status, said = shell("export PROJECT=test-project\n" + then)
    assert status == 0, said
    allowed = [line.split() for line in (tmp_path / "allowed").read_text().splitlines()]
    assert {member for *_, member in allowed} == {"serviceAccount:moongate@test-project.iam.gserviceaccount.com"}
    assert called == set().union(*(ROLES[role] for of, _, role, _ in allowed if of == "topics")) - {"GetSubscription"}
    # Terraform makes and allows the same.
    hcl, = shown("hcl", "google_pubsub")
    assert re.findall(r'  (?:name|account_id) += "([^"]+)"', hcl) == ["flyte-events", "flyte-source", "moongate"]
    said = {of: set(json.loads(roles)) for of, roles in re.findall(r'"google_pubsub_(\w+)_iam_member".*?toset\((\[.*?\])\)', hcl, re.S)}
    assert said == {of.removesuffix("s"): {r for o, _, r, _ in allowed if o == of} for of in ("topics", "subscriptions")}
    with own.subscriber() as client:
        made = client.get_subscription(request={"subscription": f"projects/{pubsub_server.PROJECT}/subscriptions/flyte-source"})
    assert made.enable_message_ordering and made.ack_deadline_seconds == 60
