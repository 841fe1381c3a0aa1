"""What boto3's batch calls cost, in a loop: aws_boto3.py SERVICE URL EVENTS. The texts of aws_bench.c; prints events=, seconds=, cpu=."""
import json
import sys
import time

import boto3

EVENT = json.dumps({"specversion": "1.0", "id": "bench-1", "source": "/bench", "type": "com.example.bench", "subject": "s",
                    "time": "2026-04-07T06:30:01Z", "team": "ml", "datacontenttype": "application/json",
                    "data": {"n": 1, "text": "some text of a usual length for an event", "list": [1, 2, 3]}}, separators=(",", ":"))
service, url, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = boto3.client(service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="AKIDBENCH",
                      aws_secret_access_key="a/secret/of/forty/characters/length/0001")
sns = [{"Id": str(i), "Message": EVENT, "Subject": "s"} for i in range(10)]
sqs = [{"Id": str(i), "MessageBody": EVENT} for i in range(10)]
begin, cpu = time.monotonic(), time.process_time()
for _ in range(events // 10):
    answer = client.publish_batch(TopicArn="arn:aws:sns:us-east-1:123456789012:bench", PublishBatchRequestEntries=sns) if service == "sns" \
        else client.send_message_batch(QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/bench", Entries=sqs)
    assert len(answer["Successful"]) >= 10 and not answer.get("Failed"), answer
print(f"events={events} seconds={time.monotonic() - begin:.3f} cpu={time.process_time() - cpu:.3f}")
