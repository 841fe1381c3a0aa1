"""SNS, SQS and STS on 127.0.0.1, with every signature checked (aws_server.py), and clients to look at them."""
import json
import os
import re
import subprocess
import sys
import urllib.request

import boto3

from wait import wait_until

KEY, SECRET = "AKIDTEST", "secret/test+key"
ACCOUNT = "123456789012"


class Server:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.log_file = os.path.join(folder, "aws.log")
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "aws_server.py")], stdout=log,
                                            stderr=log, env=dict(os.environ, PYTHONUNBUFFERED="1"))
        self.url = wait_until(self.address, self.log)

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def address(self):
        assert self.process.poll() is None, self.log()
        found = re.match(r"http://127\.0\.0\.1:\d+\n", self.log())
        return found and found.group().strip()

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET)

    def env(self, **more):
        """The environment of a gateway whose AWS this is."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_CONFIG_FILE": "config", **more}

    def topic(self, name):
        fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
        return self.client("sns").create_topic(Name=name, Attributes=fifo)["TopicArn"]

    def queue(self, name):
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        return self.client("sqs").create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def faults(self, *faults):
        """What the next requests meet, one each: {"status":, "code":, "delay":}."""
        request = urllib.request.Request(self.url + "/_test/faults", json.dumps(faults).encode())
        urllib.request.urlopen(request).close()

    def published(self, arn):
        """[id, message, subject, attributes, group] of each message of a topic, in order."""
        return self.get("/_test/sns").get(arn, [])

    def received(self, url):
        """Everything that a queue holds, taken out of it."""
        sqs, every = self.client("sqs"), []
        while True:
            some = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"])
            if not some.get("Messages"):
                return every
            every += some["Messages"]
            for m in some["Messages"]:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])

    def fill(self, queue, bodies, attributes=None):
        sqs, fifo = self.client("sqs"), queue.endswith(".fifo")
        for at in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": b, "MessageAttributes": attributes or {},
                        **({"MessageGroupId": f"k{(at + i) % 3}", "MessageDeduplicationId": str(at + i)} if fifo else {})}
                       for i, b in enumerate(bodies[at:at + 10])]
            assert not sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")

    def left(self, queue):
        """How many messages a queue still has, those that somebody holds included."""
        a = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return int(a["ApproximateNumberOfMessages"]) + int(a["ApproximateNumberOfMessagesNotVisible"])

    def held(self, queue):
        """All that a queue has is held by somebody."""
        return not int(self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"])

    def emptied(self, queue, but=0):
        wait_until(lambda: self.left(queue) == but, lambda: str(self.left(queue)))

    def close(self):
        self.process.kill()
        self.process.wait()
