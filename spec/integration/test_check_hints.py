"""What `check` tells of values that cannot be meant, with the place of each: one file of mistakes that people make, and what is right
beside them, of which nothing is said."""
from gateway import run

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
ARN = "arn:aws:sqs:eu-west-1:123456789012:q"
CONFIG = f"""\
ingest:
  tls: {{cert: a, key: b}}
  grpc: {{listen: off}}
  sqs:
    - {{queue_url: '{ARN}', endpoint: 'localhost:4566'}}
    - {{queue_url: '{QUEUE}'}}
    - {{queue_url: '{QUEUE}2', endpoint: 'http://127.0.0.1:4566'}}
    - {{queue_url: 'arn:aws:sns:eu-west-1:123456789012:t', endpoint: localhost}}
  pubsub:
    - {{project: p, subscription: projects/p/subscriptions/s1, endpoint: 'localhost:8085'}}
admin: {{listen: off}}
include: [nothing.d/*.yaml, some.d/*.yaml]
listen: 127.0.0.1:8089
pipelines:
  - {{name: a, publisher: {{type: sqs, queue_url: '{ARN}'}}}}
  - {{name: b, publisher: {{type: sqs, queue_url: '{QUEUE}'}}}}
  - {{name: c, publisher: {{type: sqs, queue_url: '{QUEUE}2'}}}}
  - {{name: d, publisher: {{type: pubsub, project: p, topic: projects/p/topics/t, endpoint: 'localhost:8085', attributes: [team, googid]}}}}
  - {{name: e, publisher: {{type: nats, servers: a, subject: s, token: t, username: u, password: p}}}}
  - {{name: f, match: {{phase: [FAILD, SUCCEEDED, failed, shipped, 'FAIL*', '17', '*', 'X*']}}, publisher: {{type: 'null'}}}}
  - {{name: g, event_types: [workflow, node], match: {{phase: [DYNAMIC_RUNNING, RETRYABLE_FAILED, shipped]}}, publisher: {{type: 'null'}}}}
  - {{name: h, event_types: [other], match: {{phase: SHIPPED}}, publisher: {{type: 'null'}}}}
  - {{name: i, topic: t, publisher: {{type: pubsub, project: p}}}}
  - {{name: j, topic: t, publisher: {{type: 'null'}}}}
  - {{name: k, event_types: [action], match: {{phase: [TIMED_OUT, ACTION_PHASE_FAILED]}}, publisher: {{type: http, url: example.com/x}}}}
"""
SAID = f"""\
2:3: error: ingest: unknown key "tls" (did you mean "grpc.tls" or "http.tls"?)
3:18: error: ingest.grpc.listen: expected HOST:PORT as 127.0.0.1:8089, not "off" (ingest has what it lists: leave this one out)
5:19: error: queue_url: an ARN, and a URL is wanted (did you mean "{QUEUE}"?)
5:69: error: endpoint: not a URL: http:// or https:// is missing
8:19: error: queue_url: an ARN, and a URL is wanted: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME
8:69: error: endpoint: not a URL: http:// or https:// is missing
10:34: error: subscription: it has letters, digits and - _ . ~ + %: the id alone, what stands behind the last /
10:73: error: endpoint: not a URL: http:// or https:// is missing
11:17: error: admin.listen: expected HOST:PORT as 127.0.0.1:8089, not "off" (did you mean "none"?)
12:11: warning: include: nothing.d/*.yaml: there is no such file
13:1: error: unknown key "listen" (did you mean "admin.listen"?)
15:49: error: queue_url: a queue's URL: an ARN, and a URL is wanted (did you mean "{QUEUE}"?)
16:26: warning: pipelines.b.publisher: ingest.sqs reads this queue: what is sent there comes in again, without end
18:60: error: topic: it has letters, digits and - _ . ~ + %: the id alone, what stands behind the last /
18:91: error: endpoint: not a URL: http:// or https:// is missing
18:121: error: attributes: names that begin with goog are Google's
19:70: warning: token: there is a username too, and a server looks at one of them
20:31: warning: match.phase: no kind of event has a phase "FAILD" (did you mean "FAILED"?)
20:49: warning: match.phase: no kind of event has a phase "failed" (did you mean "FAILED"?)
20:86: warning: match.phase: no kind of event has a phase "X*"
21:79: warning: match.phase: none of event_types has a phase "RETRYABLE_FAILED"
21:97: warning: match.phase: none of event_types has a phase "shipped"
23:15: error: pipelines.i: unknown key "topic" (did you mean "publisher.topic"?)
23:36: error: pipelines.i.publisher.topic is required
24:15: error: pipelines.j: unknown key "topic"
25:65: warning: match.phase: none of event_types has a phase "ACTION_PHASE_FAILED"
25:117: error: url: not a URL: http:// or https:// is missing
"""


def test_what_cannot_be_meant_is_told_and_what_can_is_not(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "some.d").mkdir()
    (tmp_path / "some.d/t.yaml").write_text("pipelines: [{name: team, publisher: {type: 'null'}}]\n")
    said = run("check", "-c", tmp_path / "c.yaml", check=1).stdout.replace(f"{tmp_path}/c.yaml:", "")
    assert said.splitlines() == SAID.splitlines()
