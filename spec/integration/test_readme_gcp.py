"""What the README shows of Google Pub/Sub works as it is shown; `gcloud` keeps what it is to allow."""
import json
import re

import pytest

import pubsub as pubsub_server
from page import GCLOUD, blocks, shell as page_shell
from wait import wait_until

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
    with page_shell(tmp_path, own.env(), gcloud=GCLOUD) as run_block:
        yield run_block


def test_from_nothing_to_events_on_a_topic_and_what_is_to_be_allowed(shell, own, tmp_path):
    first, then = blocks("README.md", "sh", "gcloud")
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
    hcl, = blocks("README.md", "hcl", "google_pubsub")
    assert re.findall(r'  (?:name|account_id) += "([^"]+)"', hcl) == ["flyte-events", "flyte-source", "moongate"]
    said = {of: set(json.loads(roles)) for of, roles in re.findall(r'"google_pubsub_(\w+)_iam_member".*?toset\((\[.*?\])\)', hcl, re.S)}
    assert said == {of.removesuffix("s"): {r for o, _, r, _ in allowed if o == of} for of in ("topics", "subscriptions")}
    with own.subscriber() as client:
        made = client.get_subscription(request={"subscription": f"projects/{pubsub_server.PROJECT}/subscriptions/flyte-source"})
    assert made.enable_message_ordering and made.ack_deadline_seconds == 60
