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
  - {{name: l, match: {{phase: [FAILED, failed]}}, publisher: {{type: 'null'}}}}
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
20:31: warning: match.phase: no event of Flyte's has a phase "FAILD" (did you mean "FAILED"?)
20:49: warning: match.phase: no event of Flyte's has a phase "failed" (did you mean "FAILED"?)
20:86: warning: match.phase: no event of Flyte's has a phase "X*"
21:79: warning: match.phase: none of event_types has a phase "RETRYABLE_FAILED"
21:97: warning: match.phase: none of event_types has a phase "shipped"
23:15: error: pipelines.i: unknown key "topic" (did you mean "publisher.topic"?)
23:36: error: pipelines.i.publisher.topic is required
24:15: error: pipelines.j: unknown key "topic"
26:65: warning: match.phase: none of event_types has a phase "ACTION_PHASE_FAILED"
26:117: error: url: not a URL: http:// or https:// is missing
"""


def test_what_cannot_be_meant_is_told_and_what_can_is_not(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "some.d").mkdir()
    (tmp_path / "some.d/t.yaml").write_text("pipelines: [{name: team, publisher: {type: 'null'}}]\n")
    said = run("check", "-c", tmp_path / "c.yaml", check=1).stdout.replace(f"{tmp_path}/c.yaml:", "")
    assert said.splitlines() == SAID.splitlines()


MERGE = "<<: mappings are not merged: write the keys, or name single values with anchors (retry: &r {...}, then retry: *r)"
NULL = "publisher: {type: 'null'}"
# What a file says, and all that is said of it.
MISTAKES = [
    ("pipelines:\n\t- name: a\n", ["2:1: error: not YAML: a tab: lines are indented with spaces"]),
    ("ingest:\n  grpc:\n \t listen: a\n", ["3:2: error: not YAML: a tab: lines are indented with spaces"]),
    (f"pipelines:\n  - &a {{name: a, {NULL}}}\n  - {{<<: *a, name: b, params: {{<<: {{x: 1}}, '<<': y}}}}\n", [f"3:6: error: {MERGE}", f"3:32: error: {MERGE}"]),
    (f"pipelines:\n  - {{name: a, {NULL}, retry: &r {{max: 1m}}}}\n  - {{name: b, {NULL}, retry: *r}}\n", []),
    ("pipelines: [{name: a, publisher: {type: http, url: 'http://x', bearer_token: $TOKEN}}]\n",
     ["1:78: warning: read as it stands: a variable is ${NAME}, in braces"]),
    (f"pipelines: [{{name: a, hooks: [., scripts/*.lua], {NULL}}}]\n",
     ["1:31: error: pipelines.a.hooks: .: a folder: name the scripts in it",
      "1:34: error: pipelines.a.hooks: scripts/*.lua: No such file or directory"]),
    (f"pipelines:\n  - name: a\n    hooks: |\n      return function() end\n    {NULL}\n",
     ["3:12: error: pipelines.a.hooks: return function() end : expected the path of a script, not its text"]),
    ("ingest: {grpc: {listen: '127.0.0.1:8089'}, http: {listen: '127.0.0.1:8089'}}\nadmin: {listen: '127.0.0.1:8089'}\n",
     ["1:59: error: ingest.http.listen: 127.0.0.1:8089 is ingest.grpc.listen, too: each needs an address of its own",
      "2:17: error: admin.listen: 127.0.0.1:8089 is ingest.grpc.listen, too: each needs an address of its own",
      "2:17: error: admin.listen: 127.0.0.1:8089 is ingest.http.listen, too: each needs an address of its own"]),
    ("ingest: {grpc: {listen: '127.0.0.1:9090'}}\n",
     ["1:25: error: admin.listen: 127.0.0.1:9090 is ingest.grpc.listen, too: each needs an address of its own"]),
    ("ingest: {grpc: {listen: '127.0.0.1:0'}, http: {listen: '127.0.0.1:0'}}\nadmin: {listen: none}\n", []),
    ("ingest: {http: {listen: 'http://0.0.0.0:80'}}\n",
     ['1:25: error: ingest.http.listen: expected HOST:PORT as 127.0.0.1:8089, not "http://0.0.0.0:80"']),
    ("ingest: [grpc]\n", ["1:9: error: ingest: expected a mapping, not a list"]),
    ("ingest: {kafka: {brokers: b}}\n", ["1:17: error: ingest.kafka: expected a list, not a mapping"]),
    ("ingest: {kafka: }\n", ["1:9: warning: ingest: neither grpc nor http nor a source: no event comes in"]),
    (f"pipelines: [{{name: a, match: {{project: '^ml-', flyte.domain: d}}, {NULL}}}]\n",
     ["1:40: warning: match.project: a glob, no regular expression: * is any text, ? a character, and all else stands for itself",
      '1:48: error: match: "flyte.domain" is neither a field of flyte nor an attribute (did you mean "domain"?)']),
    (f"admin: {{token: t}}\npipelines: [{{name: a, limits: {{}}, format: {{data: JSON}}, retry: {{max: 5}}, {NULL}}}]\n",
     ['1:9: error: admin: unknown key "token" (did you mean "token_file"?)', '2:23: error: pipelines.a: unknown key "limits" (did you mean "hook_limits"?)',
      '2:50: error: pipelines.a.format.data: "JSON" is none of protobuf, json (did you mean "json"?)',
      '2:70: error: pipelines.a.retry.max: expected a duration as 250ms, 30s, 5m or 24h, not "5"']),
    ("pipelines: [{name: a, publisher: {type: http, url: 'http://x', bearer_token_file: none}}]\n",
     ["1:83: error: pipelines.a.publisher.bearer_token_file: none: No such file or directory"]),
    ("source: ''\n", ["1:9: error: source: it cannot be empty"]),
    ("source: my source\n", ["1:9: warning: source: not a URI-reference (RFC 3986): receivers may refuse the events"]),
    ("pipelines: [{name: a, renamed_from: a, workers: '2', publisher: {type: file, path: c.yaml}}]\n",
     ["1:37: warning: pipelines.a.renamed_from: it has that name",
      '1:49: error: pipelines.a.workers: expected a whole number, not the text "2" (take the quotes away; outside of { } and [ ] a variable needs none)',
      "1:84: warning: pipelines.a.publisher.path: c.yaml is a file that the gateway reads"]),
    ("log: {path: c.yaml}\n", ["1:13: error: log.path: c.yaml is a file, not a folder"]),
    ("log: {path: ''}\n", ["1:13: error: log.path: names no folder"]),
    ("ingest: {kafka: [{brokers: ['kafka://k:9092', 'SASL_SSL://k:9093', k, '[::1]:9092', '::1', 'k:90920', 'k:9092/'], topics: t}]}\n",
     [f'1:{at}: error: brokers: expected HOST:PORT as kafka:9092, not "{broker}"' for at, broker in [(29, "kafka://k:9092"), (92, "k:90920"), (103, "k:9092/")]]),
    ("pipelines: [{name: a, publisher: {type: kafka, brokers: 'http://k:9092,k:9092', topic: t}}]\n",
     ['1:57: error: brokers: expected HOST:PORT as kafka:9092, not "http://k:9092"']),
    ("configuration:\n  inline:\n    cloudEvents: {enable: true, type: nats, nats: {servers: n}, eventsPublisher: {topicName: t, eventTypes: workflow}}\n"
     "    plugins: {}\n    nonsense: 1\ndeployment: {}\nstuff: {}\n",
     [f'{at}: error: unknown key "{key}": neither Moongate\'s nor FlyteAdmin\'s or its chart\'s' for at, key in [("5:5", "nonsense"), ("7:1", "stuff")]]),
    ("configuration:\n  inline:\n    plugins: {}\n",
     ["2:3: warning: inline: there is no section in it: FlyteAdmin sends nothing, and no pipeline is made"]),
]


def test_mistakes_of_a_new_user_are_told_once_each_and_where(tmp_path):
    for text, told in MISTAKES:
        (tmp_path / "c.yaml").write_text(text)
        said = run("check", "-c", tmp_path / "c.yaml", check=None).stdout.replace(f"{tmp_path}/c.yaml:", "").replace(f"{tmp_path}/", "")
        assert [line for line in said.splitlines() if ": note: " not in line] == told, text
