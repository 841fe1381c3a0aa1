"""ElasticMQ on 127.0.0.1: a second SQS, by others than boto3's and moto's. It keeps connections, refuses what SQS refuses, asks for no signature."""
import glob
import os
import re
import shutil
import subprocess

import boto3

import aws
from kafka import TOOLS
from wait import wait_until

CONFIG = """\
include classpath("application.conf")
rest-sqs { bind-hostname = "127.0.0.1", bind-port = 0, sqs-limits = strict }
rest-stats { enabled = false }
node-address { host = "*" }
"""


def installed():
    return bool(shutil.which("java") and glob.glob(os.path.join(TOOLS, "elasticmq/lib/elasticmq-server*.jar")))


class Server(aws.Server):
    def __init__(self, folder):                            # pylint: disable=super-init-not-called
        self.log_file = os.path.join(folder, "elasticmq.log")
        with open(os.path.join(folder, "e.conf"), "w", encoding="ascii") as f:
            f.write(CONFIG)
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dconfig.file=e.conf", "-cp",
                                             os.path.join(TOOLS, "elasticmq/lib/*"), "org.elasticmq.server.Main"], cwd=folder, stdout=log, stderr=log)
        self.url = wait_until(self.address, self.log, 120)

    def address(self):
        assert self.process.poll() is None, self.log()
        found = re.search(r"bind address 127\.0\.0\.1:(\d+)", self.log())
        return found and "http://127.0.0.1:" + found[1]

    def client(self, service):
        assert service == "sqs"
        return boto3.client("sqs", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def env(self, **more):
        env = aws.Server.env(self, **more)
        env["AWS_ENDPOINT_URL_SQS"] = env.pop("AWS_ENDPOINT_URL")
        return env
