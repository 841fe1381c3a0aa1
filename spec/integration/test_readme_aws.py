"""What the README shows of SNS and SQS works as it is shown, on a server that checks every signature."""
import json
import re

import pytest

import aws as aws_server
from gateway import run
from page import AWS, blocks, shell as page_shell
from wait import wait_until


@pytest.fixture
def shell(tmp_path, aws):
    with page_shell(tmp_path, {**aws.env(), "AWS_DEFAULT_REGION": "us-east-2"}, aws=AWS) as run_block:
        yield run_block


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
