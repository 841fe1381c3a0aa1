"""moongate.route: hooks that choose the topic or the URL of an event, its key and headers."""
import json

import pytest

import kafka
from gateway import run
from wait import wait_until
from webhook import OK, Webhook

RETRY = "retry: {initial: 10ms, max: 50ms}"
# The event's own attributes say what to route it by.
HOOK = """\
local moongate = require "moongate"
return function(event)
  local to = event.to
  if to then moongate.route(event, {topic = to, key = event.k, headers = {["X-Team"] = event.team}}) end
end
"""


def post(g, events):
    """Events of attributes beside the required ones, in order."""
    every = [{"specversion": "1.0", "id": str(i), "source": "/s", "type": "t", **e} for i, e in enumerate(events)]
    assert g.post("/v1/events", json.dumps(every), "application/cloudevents-batch+json")[0] in (200, 202)


def kafka_config(broker, topic, routes, more="", pipeline=RETRY):
    return (f"pipelines:\n  - {{name: r, {pipeline}, hooks: [hook.lua], publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}', "
            f"routes: {json.dumps(routes)}{more}}}}}\n")


def http_config(url, routes, more="", pipeline=RETRY):
    return (f"pipelines:\n  - {{name: r, {pipeline}, hooks: [hook.lua], publisher: {{type: http, url: '{url}', "
            f"routes: {json.dumps(routes)}{more}}}}}\n")


def ids(messages):
    return [json.loads(m.value())["id"] for m in messages]


@pytest.fixture
def webhook():
    running = []

    def start(*args, **options):
        running.append(Webhook(*args, **options))
        return running[-1]
    yield start
    for server in running:
        server.close()


def test_kafka_topics_keys_and_headers_and_the_order_of_each_topic(gateway, broker, topic):
    a, b = f"{topic}-a", f"{topic}-b"
    kafka.create(broker, a, partitions=1)
    kafka.create(broker, b, partitions=1)
    g = gateway(kafka_config(broker, topic, [f"{topic}-?"]), {"hook.lua": HOOK})
    post(g, [{"partitionkey": "one", "team": "ml", "k": f"k{i % 3}", **({"to": (a, b)[i % 3 - 1]} if i % 3 else {})} for i in range(300)])
    got = {t: kafka.read(broker, t, 100) for t in (topic, a, b)}
    g.settled(300, "r")
    for n, t in enumerate((topic, a, b)):
        assert ids(got[t]) == [str(i) for i in range(n, 300, 3)]
    message = got[b][0]
    assert message.key() == b"k2" and dict(message.headers())["X-Team"] == b"ml" and "content-type" in dict(message.headers())
    assert got[topic][0].key() == b"one" and "X-Team" not in dict(got[topic][0].headers())


def letters(g):
    return [json.loads(line) for line in run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.splitlines()]


def test_a_topic_that_is_not_allowed_is_the_hooks_error_at_its_line(gateway, broker, topic):
    g = gateway(kafka_config(broker, topic, [f"{topic}-ok"]), {"hook.lua": HOOK})
    post(g, [{"to": f"{topic}-no", "team": "x"}, {"to": f"{topic}-ok", "team": "x"}])
    assert ids(kafka.read(broker, f"{topic}-ok", 1)) == ["1"]
    g.settled(2, "r")
    letter, = letters(g)
    assert letter["reason"] == "hook_error" and letter["event_id"] == "0"
    assert f'hook.lua:4: moongate.route: topic "{topic}-no" is none of what publisher.routes allows: {topic}-ok' in letter["error"]


def test_http_urls_and_headers(gateway, webhook):
    first, second = webhook(), webhook()
    g = gateway(http_config(first.url, [f"http://127.0.0.1:{second.port}/teams/*"], ", headers: {X-Team: none, X-Own: yes}, bearer_token: t"),
                {"hook.lua": HOOK})
    post(g, [{"to": f"http://127.0.0.1:{second.port}/teams/ml?x=1", "team": "ml"}, {}])
    g.settled(2, "r")
    request, = second.posts
    assert request.path == "/teams/ml?x=1" and request.ids == ["0"]
    assert request.headers["x-team"] == "ml" and request.headers["x-own"] == "yes" and request.headers["authorization"] == "Bearer t"
    other, = first.posts
    assert other.path == "/hook" and other.ids == ["1"] and other.headers["x-team"] == "none"


def test_http_batches_have_one_url_and_one_set_of_headers(gateway, webhook):
    w = webhook()
    g = gateway(http_config(w.url, [f"http://127.0.0.1:{w.port}/*"], ", batch: {events: 100, wait: 50ms}", f"{RETRY}, order_by: none"),
                {"hook.lua": HOOK})
    urls = [f"http://127.0.0.1:{w.port}/a", f"http://127.0.0.1:{w.port}/b"]
    post(g, [{"to": urls[i // 5 % 2], "team": "ab"[i // 10 % 2]} for i in range(40)])
    g.settled(40, "r")
    assert sorted(map(int, w.taken)) == list(range(40))
    for r in w.posts:
        assert {(e["to"].rsplit("/", 1)[1], e["team"]) for e in r.events} == {(r.path[1:], r.headers["x-team"])}
    assert len(w.posts) < 40                                       # what goes to one place still goes together


def test_http_a_destination_that_fails_is_tried_again_where_it_was_routed(gateway, webhook):
    bad = webhook(lambda request: (503, {}, b"") if len(bad.requests) < 2 else OK)
    own = webhook()
    g = gateway(http_config(own.url, [f"http://127.0.0.1:{bad.port}/*"]), {"hook.lua": HOOK})
    post(g, [{"to": f"http://127.0.0.1:{bad.port}/x", "team": "a"}])
    g.settled(1, "r")
    assert [r.path for r in bad.posts] == ["/x"] * 3 and not own.posts


def test_http_a_rejected_event_is_a_dead_letter_and_its_replay_is_routed_again(gateway, webhook):
    w = webhook(lambda request: (400, {}, b"no") if len(w.requests) == 0 else OK)
    own = webhook()
    g = gateway(http_config(own.url, [f"http://127.0.0.1:{w.port}/*"]), {"hook.lua": HOOK})
    post(g, [{"to": f"http://127.0.0.1:{w.port}/x", "team": "a"}])
    assert g.settled(1, "r")["r"]["dead_lettered"] == 1
    run("dead", "replay", "-c", g.config_file, check=0)
    wait_until(lambda: len(w.posts) == 2)
    assert [r.path for r in w.posts] == ["/x", "/x"] and not own.posts


def test_check_tells_patterns_that_are_none(tmp_path):
    config = tmp_path / "moongate.yaml"
    config.write_text("pipelines:\n"
                      "  - {name: k, publisher: {type: kafka, brokers: a, topic: t, routes: ['a b']}}\n"
                      "  - {name: h, publisher: {type: http, url: 'http://a/', routes: ['*.example.org/*']}}\n"
                      "  - {name: f, publisher: {type: file, path: out, routes: ['*']}}\n")
    said = run("check", "-c", config, check=1).stdout
    assert 'moongate.yaml:2:71: error: routes: "a b": topic "a b": a topic has letters, digits, . _ -' in said
    assert 'routes: "*.example.org/*": it begins with http:// or https://' in said
    assert "routes: publisher file has one destination" in said
