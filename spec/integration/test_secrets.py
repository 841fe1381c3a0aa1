"""No secret of a configuration is seen: every key of the schema that holds one, inline and from its file, and what else logs in
somewhere (URLs, headers, librdkafka's settings, the environment). Each destination refuses, so that all say why they cannot go on;
what the gateway logs, answers, measures and shows in its arguments, and what the commands print, is searched for all of it."""
import base64
import contextlib
import json
import os

import grpc
import pytest

import certificates
import flyte
from gateway import request, run
from wait import wait_until
from webhook import Webhook

SIGN = "whsec_c2VjcmV0LW9mLXRoZS1zaWduYXR1cmUtMDE="
# Where in the schema, and what it is in the configuration below: as text, and as the content of a file.
KEYS = {
    "ingest.kafka.sasl.password": ("in-kafka-text-5e21", "in-kafka-file-5e21"),
    "flyteadmin.client_secret": ("", "flyteadmin-file-77a0"),
    "pipelines.publisher.bearer_token": ("bearer-text-90b3", "bearer-file-90b3"),
    "pipelines.publisher.oauth.client_secret": ("oauth-text-41cc", "oauth-file-41cc"),
    "pipelines.publisher.sign.secret": (SIGN, "whsec_c2VjcmV0LW9mLXRoZS1zaWduYXR1cmUtMDI="),
    "pipelines.publisher.sasl.password": ("out-kafka-text-3d0e", "out-kafka-file-3d0e"),
    "pipelines.publisher.password": ("nats-password-text-8f", "nats-password-file-8f"),
    "pipelines.publisher.token": ("nats-token-text-c6", "nats-token-file-c6"),
    "cloudEvents.kafka.saslConfig.password": ("section-kafka-text-b1", ""),
    "cloudEvents.nats.userAuthentication.password": ("section-nats-text-e2", ""),
    "cloudEvents.nats.tokenAuthentication.token": ("section-token-text-f3", ""),
}
OTHER = {"header": "header-value-d4d4", "query": "query-key-e5e5", "client": "client-token-f6f6", "admin": "admin-token-a7a7",
         "env": "from-the-environment-b8", "property": "property-value-c9", "aws": "wJalrXUtnFEMIaws0secret0key00000000000000"}


def secret_keys(schema, path=()):
    """The paths of all keys that have a twin KEY_file."""
    if isinstance(schema, list):
        for value in schema:
            yield from secret_keys(value, path)
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key != "properties":
            yield from secret_keys(value, path)
            continue
        for name, inner in value.items():
            if name + "_file" in value:
                yield ".".join((*path, name))
            yield from secret_keys(inner, (*path, name))


def test_every_key_that_holds_a_secret_is_searched_for():
    """A key that is new here has to be in the configuration below."""
    found = {key.replace("cloud_events.", "cloudEvents.") for key in secret_keys(json.loads(run("schema", check=0).stdout))}
    assert found == set(KEYS), found ^ set(KEYS)


def configuration(hook):
    text = {key.split("pipelines.publisher.")[-1]: value[0] for key, value in KEYS.items()}
    url = f"{hook.url}?key={OTHER['query']}"
    dead = "'127.0.0.1:1'"
    retry = "retry: {initial: 50ms, max: 200ms}"
    publishers = {
        "bearer": f"type: http, url: '{url}', bearer_token: {text['bearer_token']}, headers: {{x-api-key: {OTHER['header']}}}",
        "bearerfile": f"type: http, url: '{url}', bearer_token_file: secrets/pipelines.publisher.bearer_token",
        "env": f"type: http, url: '{url}', bearer_token: '${{A_TOKEN}}'",
        "oauth": f"type: http, url: '{url}', oauth: {{token_url: '{url}', client_id: i, client_secret: {text['oauth.client_secret']}}}",
        "oauthfile": f"type: http, url: '{url}', oauth: {{token_url: '{url}', client_id: i, client_secret_file: secrets/pipelines.publisher.oauth.client_secret}}",
        "sign": f"type: http, url: '{url}', sign: {{secret: {SIGN}}}",
        "signfile": f"type: http, url: '{url}', sign: {{secret_file: secrets/pipelines.publisher.sign.secret}}",
        "kafka": f"type: kafka, brokers: {dead}, topic: out, sasl: {{mechanism: PLAIN, username: u, password: {text['sasl.password']}}}, "
                 f"properties: {{ssl.key.password: {OTHER['property']}, debug: 'security,broker'}}",
        "kafkafile": f"type: kafka, brokers: {dead}, topic: out, sasl: {{mechanism: PLAIN, username: u, password_file: secrets/pipelines.publisher.sasl.password}}",
        "nats": f"type: nats, servers: {dead}, subject: s, username: u, password: {text['password']}",
        "natsfile": f"type: nats, servers: {dead}, subject: s, username: u, password_file: secrets/pipelines.publisher.password",
        "natstoken": f"type: nats, servers: {dead}, subject: s, token: {text['token']}",
        "natstokenfile": f"type: nats, servers: {dead}, subject: s, token_file: secrets/pipelines.publisher.token",
        "sqs": f"type: sqs, queue_url: 'http://127.0.0.1:{hook.port}/1/q', region: eu-west-1, endpoint: 'http://127.0.0.1:{hook.port}'",
    }
    sources = [f"{{brokers: {dead}, topics: t, group: a, sasl: {{mechanism: PLAIN, username: u, password: {KEYS['ingest.kafka.sasl.password'][0]}}}}}",
               f"{{brokers: {dead}, topics: t, group: b, sasl: {{mechanism: PLAIN, username: u, password_file: secrets/ingest.kafka.sasl.password}}}}"]
    return (f"ingest:\n  grpc: {{listen: 127.0.0.1:0, auth: {{tokens_file: secrets/tokens}}}}\n"
            f"  http: {{listen: 127.0.0.1:0, tls: {{cert: tls/server.pem, key: tls/server.key}}}}\n  kafka: [{', '.join(sources)}]\n"
            "admin: {listen: 127.0.0.1:0, token_file: secrets/admin}\n"
            "flyteadmin: {address: '127.0.0.1:1', client_id: c, client_secret_file: secrets/flyteadmin.client_secret}\n"
            "cloudEvents:\n  enable: true\n  type: nats\n  eventsPublisher: {topicName: t, eventTypes: all}\n"
            f"  kafka: {{version: 2.1.0, brokers: {dead}, saslConfig: {{enabled: true, handshake: true, user: u, "
            f"password: {KEYS['cloudEvents.kafka.saslConfig.password'][0]}}}}}\n"
            f"  nats:\n    servers: [{dead}]\n    userAuthentication: {{enabled: true, user: u, password: {KEYS['cloudEvents.nats.userAuthentication.password'][0]}}}\n"
            f"    tokenAuthentication: {{token: {KEYS['cloudEvents.nats.tokenAuthentication.token'][0]}}}\n"
            "pipelines:\n" + "".join(f"  - {{name: {name}, {retry}, publisher: {{{keys}}}}}\n" for name, keys in publishers.items()) +
            "  - {name: asks, hooks: [asks.lua], retry: {initial: 50ms, max: 200ms}, publisher: {type: 'null'}}\n")


HOOK = """\
local moongate = require "moongate"
return function(event, request, flyte)
    local got, why = moongate.flyte.execution(request.event.execution_id)
    error(tostring(why))
end
"""


def echo(request):
    """As servers do that show a request to who sent it."""
    said = request.headers.items() if "x-api-key" in request.headers or "authorization" in request.headers else ()
    return 503, {}, "\n".join(["come again", *(f"{k}: {v}" for k, v in said)]).encode()


def in_base64(secret):
    """The digits that are its own wherever it stands, as behind the name in a Basic login."""
    for before, shared in ((0, 0), (1, 2), (2, 3)):
        coded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        yield coded[shared:len(coded) - 1]


def everything_said(g):
    """What anybody could see of a gateway that runs."""
    yield "log", g.log()
    yield "stdout", g.stdout()
    with open(f"/proc/{g.pid}/cmdline", "rb") as f:
        yield "argv", f.read().decode()
    for path in ("/metrics", "/", "/api/pipelines", "/api/dead", "/api/log", "/api/log/records", "/api/log/records?raw=1", "/healthz", "/readyz"):
        yield path, g.get(path)[1]
    for name in g.pipelines():
        yield name, g.get("/api/pipelines/" + name)[1]
    status, _, body = request(g.admin, "POST", "/api/reload", headers={"authorization": f"Bearer {OTHER['admin']}"})
    assert status == 200, body
    yield "reload", body
    yield "a token that is none", request(g.admin, "POST", "/api/reload", headers={"authorization": "Bearer query-key-e5e5"})[2]
    for args in (("check",), ("check", "--strict"), ("check", "--online"), ("dead", "list", "--json"), ("log", "stats"), ("log", "dump")):
        done = run(*args, "-c", g.config_file, env=g.env)
        yield " ".join(args), done.stdout + done.stderr


def test_no_secret_is_seen_anywhere(gateway, tmp_path):
    secrets = {value for pair in KEYS.values() for value in pair if value} | set(OTHER.values())
    with contextlib.closing(Webhook(echo)) as hook:
        config = configuration(hook)
        env = {"A_TOKEN": OTHER["env"], "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": OTHER["aws"], "AWS_SESSION_TOKEN": "session-0d0d"}
        secrets.add("session-0d0d")
        g = gateway(config, started=False, env=env, args=["--log-level", "debug"],
                    files={"asks.lua": HOOK, "secrets/tokens": f"alice:{OTHER['client']}\n", "secrets/admin": OTHER["admin"] + "\n",
                           **{"secrets/" + key: value[1] + "\n" for key, value in KEYS.items() if value[1]}})
        os.mkdir(g.path("tls"))
        certificates.files(g.path("tls"))
        with open(g.path("tls/server.key"), encoding="ascii") as f:
            secrets |= {line for line in f.read().splitlines() if not line.startswith("-") and len(line) > 8}
        g.start()
        with g.channel() as channel:
            flyte.send(channel, flyte.workflow(), metadata=(("authorization", f"Bearer {OTHER['client']}"),))
            with pytest.raises(grpc.RpcError) as error:
                flyte.send(channel, flyte.workflow(), metadata=(("authorization", f"Bearer {OTHER['admin']}"),))
        with open(g.config_file, encoding="utf-8") as f:
            whole = f.read()
        # kafka has `debug`: lines that come all the time keep no one from seeing that nothing is acknowledged.
        wait_until(lambda: all(p["last_error"] or p["dead_lettered"] for p in g.pipelines().values()), lambda: json.dumps(g.pipelines(), indent=1))
        said = [("refusal", str(error.value)), *everything_said(g)]
        # Files that change and will not do.
        g.write("secrets/tokens", f"alice {OTHER['client']} has no colon\n")
        wait_until(lambda: "no colon" in g.log(), g.log)
        with open(g.path("tls/server.key"), "a", encoding="ascii") as f:
            f.write("junk\n")
        wait_until(lambda: "new certificate taken" in g.log() or "server.key" in g.log(), g.log)
        said.append(("log of what is not taken", g.log()))
        seen = {r.headers.get("authorization") for r in hook.posts}
        assert {f"Bearer {OTHER['env']}", "Bearer bearer-text-90b3", "Bearer bearer-file-90b3"} <= seen     # they were used
    assert "HTTP 503: (not shown: it repeats what logs us in)" in dict(said)["/api/pipelines"]
    inline = sorted(v for v, _ in KEYS.values() if v)
    for n, wrong in enumerate(("[{}]", "{{a: {}}}", "!!int {}", "'{}\n", "{}: x")):
        worse = whole
        for value in inline if n < 3 else inline[:1]:
            assert value in worse
            worse = worse.replace(value, wrong.format(value))
        path = tmp_path / "gw" / f"worse{n}.yaml"
        path.write_text(worse)
        done = run("check", "-c", path, env=env, check=1 if n != 2 else None)
        said.append((f"check of {wrong}", done.stdout + done.stderr))
    assert len(secrets) > 25
    found = [(where, secret) for where, text in said for secret in secrets if any(form in text for form in (secret, *in_base64(secret)))]
    assert not found, found
