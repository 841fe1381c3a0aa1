"""What google-cloud-pubsub's batching publisher costs: pubsub_google.py ADDRESS PROJECT TOPIC EVENTS [key]. It makes the topic, if it is
not there. The text and the batches of pubsub_bench.c; prints events=, seconds=, cpu= (of this process, all threads)."""
import json
import os
import sys
import time

address, project, topic, events, *key = sys.argv[1:]
os.environ["PUBSUB_EMULATOR_HOST"] = address
from google.api_core.exceptions import AlreadyExists                    # noqa: E402  pylint: disable=wrong-import-position
from google.cloud import pubsub_v1                                      # noqa: E402  pylint: disable=wrong-import-position

EVENT = json.dumps({"specversion": "1.0", "id": "bench-1", "source": "/bench", "type": "com.example.bench", "subject": "s",
                    "time": "2026-04-07T06:30:01Z", "team": "ml", "datacontenttype": "application/json",
                    "data": {"n": 1, "text": "some text of a usual length for an event", "list": [1, 2, 3]}}, separators=(",", ":")).encode()
client = pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=100, max_bytes=1000000, max_latency=0.01),
                                   pubsub_v1.types.PublisherOptions(enable_message_ordering=bool(key)))
path = client.topic_path(project, topic)
try:
    client.create_topic(name=path)
except AlreadyExists:
    pass
n = int(events)
begin, cpu = time.monotonic(), time.process_time()
for at in range(0, n, 10000):
    sent = [client.publish(path, EVENT, ordering_key=f"k{i % 100}" if key else "", **{"content-type": "application/cloudevents+json"})
            for i in range(at, min(at + 10000, n))]
    for future in sent:
        future.result()
print(f"events={n} seconds={time.monotonic() - begin:.3f} cpu={time.process_time() - cpu:.3f}")
