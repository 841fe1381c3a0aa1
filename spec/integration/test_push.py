"""What SNS and Pub/Sub push: who it is from, and what comes of it. Certificates and keys are the tests' own."""
import base64
import concurrent.futures
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
import urllib.request

import pytest

import pushes
from gateway import request
from pushes import TOPIC, pubsub_post, sign, sns, sns_post, token, wrapped
from test_cmd import check
from test_publish_aws import vectors
from wait import wait_until


@pytest.fixture
def cloud():
    c = pushes.Cloud()
    yield c
    c.close()


def config(cloud, tail=""):
    return f"""\
ingest:
  http:
    listen: 127.0.0.1:0
    push:
      sns: {{topic_arns: ['{TOPIC}', 'arn:aws:sns:*:123456789012:team-*'], cert_url_prefixes: ['{cloud.base}']}}
      pubsub: {{audience: '{pushes.AUDIENCE}', service_accounts: ['{pushes.ACCOUNT}'], jwks_url: '{cloud.base}certs'}}
pipelines:
  - name: all
    publisher: {{type: file, path: all.jsonl}}
{tail}"""


def event(n, **attributes):
    return {"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", **attributes}


# ---- SNS
def test_sns_subscription_is_confirmed_and_its_messages_come_in(gateway, cloud):
    g = gateway(config(cloud))
    for n, version in enumerate("12"):
        assert sns_post(g, sign(sns(cloud, "SubscriptionConfirmation", version))) == (200, "{}")
        assert [r.path for r in cloud.asked("/")][n:] == ["/?Action=ConfirmSubscription&Token=2336412f37fb687f"]
    assert g.log().count('msg="subscription confirmed"') == 2 and "2336412f37fb687f" not in g.log()
    sent = [sns(cloud, version="1", Message=json.dumps(event("v1"))),
            sns(cloud, Message=json.dumps(event("v2 \u00e9 \"")) + "\r\n\t", Subject="of v2 \u2028 \U0001f319"),
            sns(cloud, Message=json.dumps(event("null")), Subject=None, MessageAttributes=None),
            sns(cloud, Message="hello", TopicArn="arn:aws:sns:eu-central-1:123456789012:team-a", MessageAttributes={
                n: {"Type": "String", "Value": v} for n, v in
                {"ce-id": "binary", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "content-type": "text/plain"}.items()})]
    for m in sent:
        assert sns_post(g, sign(m)) == (200, "{}"), m
    assert sns_post(g, sign(sent[0])) == (200, "{}")                      # a repeat, as SNS sends some
    g.settled(5)
    assert g.ids() == ["v1", "v2 \u00e9 \"", "null", "binary", "v1"]
    assert g.lines()[3]["data"] == "hello"
    assert len(cloud.asked("/first.pem")) == 1
    assert g.metric("moongate_events_received_total", ingest="http", kind="other") == 5
    for keys in (None, pushes.SIGNED["Notification"]):
        assert sns_post(g, sign(sns(cloud, "UnsubscribeConfirmation"), keys=keys)) == (200, "{}")
    assert g.log().count('msg="a subscription has ended"') == 2 and len(cloud.asked("/")) == 2


def changed(m, **members):
    return {**m, **members}


def test_sns_what_is_not_genuine_is_refused_and_why(gateway, cloud):
    cloud.pages |= {"/old.pem": (200, {}, pushes.certificate(pushes.key(), (-2, -1))),
                    "/new.pem": (200, {}, pushes.certificate(pushes.key(), (1, 2))),
                    "/page.pem": (200, {}, b"<html>\n" + pushes.certificate(pushes.key())),
                    "/gone.pem": (404, {}, b""), "/huge.pem": (200, {}, pushes.certificate(pushes.key()) + b"x" * 70000)}
    g = gateway(config(cloud))
    ce, other = json.dumps(event(1)), pushes.key("other")
    good = sign(sns(cloud, Message=ce, Subject="s"))
    cases = [
        (changed(good, Message=json.dumps(event(2))), 403, "signature"),
        (changed(good, Subject="t"), 403, "signature"),
        (changed(good, Timestamp=pushes.moment(-1)), 403, "signature"),
        (changed(good, MessageId="x"), 403, "signature"),
        (changed(good, SignatureVersion="1"), 403, "signature"),
        (changed(good, TopicArn="arn:aws:sns:us-east-1:123456789012:team-b"), 403, "signature"),
        (changed(good, Signature="AAAA"), 403, "signature"),
        (changed(good, Signature="no base64"), 403, "signature"),
        (sign(sns(cloud, Message=ce), other), 403, "signature"),
        (sign(sns(cloud, Message=ce, TopicArn=TOPIC + "-2")), 403, "topic_arns"),
        (sign(sns(cloud, Message=ce, TopicArn="arn:aws:sns:us-east-1:666:x:123456789012:team-a")), 403, "topic_arns"),
        (sign(sns(cloud, Message=ce, Timestamp=pushes.moment(-4000))), 403, "Timestamp"),
        (sign(sns(cloud, Message=ce, Timestamp=pushes.moment(400))), 503, "Timestamp"),
        (sign(changed(sns(cloud, Message=ce), SignatureVersion="3")), 403, "SignatureVersion"),
        (sign(sns(cloud, Message=ce, SigningCertURL=cloud.base + "old.pem")), 403, "not valid any more"),
        (sign(sns(cloud, Message=ce, SigningCertURL=cloud.base + "new.pem")), 503, "not valid yet"),
        (sign(sns(cloud, Message=ce, SigningCertURL=cloud.base + "page.pem")), 503, "no certificate"),
        (sign(sns(cloud, Message=ce, SigningCertURL=cloud.base + "huge.pem")), 503, "above"),
        (sign(sns(cloud, Message=ce, SigningCertURL=cloud.base + "gone.pem")), 503, "HTTP 404"),
        (sign(sns(cloud, "SubscriptionConfirmation", SubscribeURL="https://example.com/?Action=ConfirmSubscription")), 403, "SubscribeURL"),
        (sign(sns(cloud, "SubscriptionConfirmation", TopicArn=TOPIC + "-2")), 403, "topic_arns"),
        (sign(sns(cloud, Message="no event")), 400, "neither a CloudEvent"),
        (sign(sns(cloud, Message=ce, MessageAttributes=[])), 400, "MessageAttributes"),
        (json.dumps(good)[:-1] + ', "Message": "twice"}', 400, "Message: given twice"),
        (json.dumps(good)[:-1], 400, "JSON"),
        (sns(cloud, Message=ce), 400, "Signature: missing"),
        # the same text to be signed, with its Subject moved into MessageId
        (changed({k: v for k, v in good.items() if k != "Subject"}, MessageId=good["MessageId"] + "\nSubject\ns"), 400, "control character"),
        (changed(good, Type="Other"), 400, "Type"),
        (changed(good, Timestamp="yesterday"), 400, "Timestamp"),
        ("[]", 400, "not an object"), (b"\xff", 400, "JSON"), (b"", 400, "JSON"),
    ]
    urls = ["https://example.com/a.pem", "http://sns.us-east-1.amazonaws.com/a.pem", "https://sns.us-east-1.amazonaws.com/a",
            "https://sns.us-east-1.amazonaws.com/a?b=.pem", "https://sns.us-east-1.amazonaws.com:444/a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/a.pem", "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://x@sns.us-east-1.amazonaws.com/a.pem", cloud.base.replace("http", "https") + "first.pem", "file:///etc/passwd.pem",
            cloud.base[:-1] + "1/first.pem", "https://sns.us-east-1.amazonaws.com\\@example.com/a.pem", "", "x\u0000.pem"]
    cases += [(sign(sns(cloud, Message=ce, SigningCertURL=url)), 403, "SigningCertURL") for url in urls]
    for n, (m, status, says) in enumerate(cases):
        got = sns_post(g, m)
        assert got[0] == status and says in got[1], (n, m, got)
    assert sns_post(g, good, {"x-amz-sns-rawdelivery": "true"})[0] == 400
    assert "RawMessageDelivery" in sns_post(g, ce, {"x-amz-sns-rawdelivery": "true"})[1]
    assert sns_post(g, good, {"x-amz-sns-topic-arn": TOPIC + "-2"})[0] == 403
    # What nobody signed makes it nothing else.
    assert sns_post(g, changed(good, **event("forged"))) == (200, "{}")
    g.settled(1)
    assert g.ids() == ["1"] and not cloud.asked("/")
    refused = len(cases) + 3
    assert sum(g.metric("moongate_events_rejected_total", ingest="http", reason=r) for r in ("invalid", "unavailable")) == refused
    assert re.search(r'component=ingest.http msg="a push was refused" from=sns status=403 error="the signature', g.log())


def test_sns_confirmation_that_fails_is_tried_again_by_sns(gateway, cloud):
    g = gateway(config(cloud))
    cloud.pages["/"] = (500, {}, b"")
    status, text = sns_post(g, sign(sns(cloud, "SubscriptionConfirmation")))
    assert (status, "HTTP 500" in text) == (503, True)
    cloud.pages["/"] = (302, {"Location": cloud.base + "elsewhere"}, b"")
    assert sns_post(g, sign(sns(cloud, "SubscriptionConfirmation")))[0] == 503 and not cloud.asked("/elsewhere")


def test_sns_a_certificate_is_fetched_once_for_all_who_wait_and_some_leave(gateway, cloud):
    g = gateway(config(cloud))
    sent, asked, held = threading.Barrier(9), threading.Event(), threading.Event()

    def page():
        asked.set()
        held.wait(60)
        return 200, {}, pushes.certificate(pushes.key())
    cloud.pages["/held.pem"] = page

    def post(n):
        sent.wait()
        return sns_post(g, sign(sns(cloud, Message=json.dumps(event(n)), SigningCertURL=cloud.base + "held.pem")))[0]
    body = json.dumps(sign(sns(cloud, Message=json.dumps(event("left")), SigningCertURL=cloud.base + "held.pem"))).encode()
    host, port = g.http.split(":")
    with socket.create_connection((host, int(port))) as leaving:
        leaving.sendall(b"POST /v1/push/sns HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert asked.wait(60)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, n) for n in range(8)]
        sent.wait()
        held.set()
        assert [a.result() for a in answers] == [200] * 8
    assert len(cloud.asked("/held.pem")) == 1
    g.settled()
    assert set(map(str, range(8))) <= set(g.ids()) <= set(map(str, range(8))) | {"left"}
    assert g.stop() == 0


def test_pushes_need_no_token_of_a_client_and_others_do(gateway, cloud):
    cloud.pages["/certs"] = keys("first")
    g = gateway(config(cloud).replace("    push:", "    auth: {tokens_file: tokens}\n    push:"), files={"tokens": "me:0123456789abcdef\n"}, started=False)
    g.start()
    assert sns_post(g, sign(sns(cloud, Message=json.dumps(event(1)))))[0] == 200 and pubsub_post(g, wrapped(event(2)))[0] == 200
    assert g.post("/v1/events", json.dumps(event(3)), "application/cloudevents+json")[0] == 401
    assert pubsub_post(g, wrapped(event(4)), "0123456789abcdef")[0] == 401
    g.settled(2)


def test_sns_while_the_log_is_full_is_told_to_come_again(gateway, cloud):
    stuck = "  - {name: stuck, hooks: [stuck.lua], on_hook_error: block, retry: {initial: 20ms, max: 50ms}, publisher: {type: 'null'}}\n"
    g = gateway("log: {max_bytes: 1MiB, segment_bytes: 1MiB}\n" + config(cloud, stuck), files={"stuck.lua": "return function(event) error('not yet') end\n"})
    m = sign(sns(cloud, Message=json.dumps(event(1, data="x" * 100000))))
    statuses = [sns_post(g, m)[0] for _ in range(20)]
    assert set(statuses) == {200, 429} and statuses == sorted(statuses)
    g.write("stuck.lua", "return function(event) end\n")
    wait_until(lambda: sns_post(g, m)[0] == 200, g.log)


def test_moto_s_own_messages_come_in(gateway, cloud, aws, name):
    """Its envelopes are made and signed by others; a relay only says that the certificate is at its own URL, which nobody signs."""
    g = gateway(config(cloud))
    arn = aws.topic("team-" + name)
    seen = []

    aws.client("sns").subscribe(TopicArn=arn, Protocol="http", Endpoint=cloud.base + "relay")
    for n in range(2):
        aws.client("sns").publish(TopicArn=arn, Message=json.dumps(event(n)))
        wait_until(lambda: len(cloud.asked("/relay")) == n + 1)               # pylint: disable=cell-var-from-loop
        m = json.loads(cloud.asked("/relay")[n].body)
        pem = urllib.parse.urlparse(m["SigningCertURL"]).path
        assert re.fullmatch(r"https://sns\.us-east-1\.amazonaws\.com/SimpleNotificationService-\w+\.pem", m["SigningCertURL"])
        asks = urllib.request.Request(aws.url + pem, headers={"Host": "sns.us-east-1.amazonaws.com", "Authorization": "AWS4-HMAC-SHA256 Credential=a/b/us-east-1/sns/aws4_request"})
        with urllib.request.urlopen(asks) as found:
            cloud.pages[pem] = (200, {}, found.read())
        seen.append(sns_post(g, changed(m, SigningCertURL=cloud.base + pem[1:])))
    assert seen == [(200, "{}")] * 2
    g.settled(2)
    assert g.ids() == ["0", "1"]


# ---- Pub/Sub
def keys(*of, max_age=3600):
    """The page of the keys named."""
    return 200, {"Cache-Control": f"public, max-age={max_age}, must-revalidate"}, json.dumps({"keys": [pushes.jwk(pushes.key(k), k) for k in of]}).encode()


def test_pubsub_messages_come_in_wrapped_and_as_they_are(gateway, cloud):
    cloud.pages["/certs"] = keys("other", "first")
    g = gateway(config(cloud))
    ce = {"ce-id": "binary", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "content-type": "text/plain"}
    flyte = next(v for v in vectors() if v["kind"] == "workflow")["styles"]["flyteadmin"]["id_spacing"]["1"]
    admin = base64.b64decode(flyte["pubsub"]["data_b64"])
    sent = [(wrapped(event("w")), {}), (wrapped(b"hello", **ce), {}), (wrapped(None, **{**ce, "ce-id": "none"}), {}),
            (wrapped(admin, **flyte["pubsub"]["attributes"]), {}),
            (json.dumps(event("plain")), {}), (b"hello", {**ce, "ce-id": "headers", "x-goog-pubsub-message-id": "1"}),
            (admin, {**flyte["pubsub"]["attributes"], "x-goog-pubsub-subscription-name": "s"}),
            # looks like what is wrapped and is an event
            (json.dumps(event("both", message="m", subscription="s")), {})]
    for body, headers in sent:
        assert pubsub_post(g, body, headers=headers) == (200, "{}"), body
    g.settled(len(sent))
    assert g.ids() == ["w", "binary", "none", flyte["attributes"]["id"], "plain", "headers", flyte["attributes"]["id"], "both"]
    assert [e["data"] for e in g.lines() if e["id"] in ("binary", "headers")] == ["hello"] * 2
    assert len(cloud.asked("/certs")) == 1
    assert g.metric("moongate_events_received_total", ingest="http", kind="other") == len(sent)
    for body, says in ((wrapped(b"no event"), "neither a CloudEvent"), ("no event", "neither a CloudEvent"), ("", "empty"),
                       ({**wrapped(), "message": {"data": "e30"}}, "not base64"), ({**wrapped(), "message": {"data": "e30-"}}, "not base64"),
                       ({**wrapped(), "message": {"data": 1}}, "message"), ({**wrapped(), "message": {"attributes": {"a": 1}}}, "attributes"),
                       (json.dumps(wrapped(b"{}", a="b")).replace('"a"', '"a": "c", "a"'), "twice"),
                       (json.dumps(wrapped(b"{}")).replace('"data"', '"data": "", "data"'), "twice")):
        status, text = pubsub_post(g, body)
        assert status == 400 and says in text, (body, text)


def test_pubsub_tokens_that_are_not_googles_for_us_are_refused_and_why(gateway, cloud):
    cloud.pages["/certs"] = keys("first")
    g = gateway(config(cloud))
    now, good = int(time.time()), token()
    head, claims, signature = good.split(".")

    def part(o):
        return base64.urlsafe_b64encode(json.dumps(o).encode()).rstrip(b"=").decode()
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    cases = [
        ("", 401, "no bearer"), ("x", 401, "three parts"), ("a.b", 401, "three parts"), ("x" * 9000, 401, "more than"),
        (token(exp=now - 10), 401, "expired"), (token(iat=now + 120), 401, "not valid yet"), (token(nbf=now + 120), 401, "not valid yet"),
        (token(exp=None), 401, "exp"), (token(iat="soon"), 401, "iat"), (token(exp="9999999999"), 401, "exp"), (token(exp=1e300), 401, "exp"),
        (token(iss="https://evil.example"), 401, "iss"), (token(iss=None), 401, "iss"), (token(aud="https://other"), 401, "audience"),
        (token(aud=None), 401, "audience"), (token(aud=[pushes.AUDIENCE]), 401, "aud"), (token(email="x@project.iam.gserviceaccount.com"), 403, "service_accounts"),
        (token(email=None), 403, "e-mail"), (token(email_verified=False), 403, "e-mail"), (token(email_verified="true"), 403, "e-mail"),
        (token(by=pushes.key("other")), 401, "signature"), (token(kid="unknown"), 401, "no key"), (token(kid=None), 401, "kid"),
        (f"{head}.{part({**said, 'exp': now + 7200})}.{signature}", 401, "signature"),
        (f"{part({'alg': 'none', 'kid': 'first'})}.{claims}.", 401, "RS256"), (f"{part({'alg': 'HS256', 'kid': 'first'})}.{claims}.{signature}", 401, "RS256"),
        (f"{part({'alg': 'RS256', 'kid': 'first', 'crit': ['b64']})}.{claims}.{signature}", 401, "crit"),
        (f"{head}.{claims}.{signature}=", 401, "base64url"), (f"{head}.{claims}.", 401, "base64url"), (f"{head}.{claims}.{signature}.x", 401, "base64url"),
        (f"{head}.{base64.urlsafe_b64encode(json.dumps(said)[:-1].encode() + b', %saud%s: 1}' % (bytes([34]), bytes([34]))).rstrip(b'=').decode()}.{signature}", 401, "twice"),
    ]
    for n, (bearer, status, says) in enumerate(cases):
        got = pubsub_post(g, wrapped(event(1)), bearer)
        assert got[0] == status and says in got[1], (n, got)
    assert pubsub_post(g, wrapped(event(1)), "", {"Authorization": "Basic " + good})[0] == 401
    assert pubsub_post(g, wrapped(event(2)), token(iss="accounts.google.com", iat=now + 30, exp=now + 3600.5))[0] == 200
    g.settled(1)
    assert g.ids() == ["2"] and len(cloud.asked("/certs")) <= 3
    assert good not in g.log() and signature not in g.log()


def test_pubsub_keys_rotate_and_a_flood_of_unknown_ones_asks_little(gateway, cloud):
    cloud.pages["/certs"] = (503, {}, b"")
    g = gateway(config(cloud))
    status, text = pubsub_post(g, wrapped(event(0)))
    assert status == 503 and "HTTP 503" in text
    cloud.pages["/certs"] = keys("first")
    assert pubsub_post(g, wrapped(event(1)))[0] == 200
    cloud.pages["/certs"] = keys("first", "second")
    assert pubsub_post(g, wrapped(event(2)), token(by=pushes.key("second"), kid="second"))[0] == 200
    assert len(cloud.asked("/certs")) == 3
    for n in range(20):
        assert pubsub_post(g, wrapped(event(3)), token(kid=str(n)))[0] == 401
    assert pubsub_post(g, wrapped(event(4)))[0] == 200
    assert len(cloud.asked("/certs")) == 4
    g.settled(3)
    assert g.ids() == ["1", "2", "4"]


def test_pubsub_without_service_accounts_is_warned_of(tmp_path):
    found = check(tmp_path, "ingest:\n  http:\n    push:\n      pubsub: {audience: a}\n", 0)
    assert [(line, level) for _, line, _, level, text in found if "service_accounts" in text] == [(4, "warning")]


# ---- both
@pytest.mark.parametrize("push,says", [
    ("sns: {}", "topic_arns"), ("sns: {topic_arns: []}", "topic_arns"), ("sns: {topic_arns: [flyte]}", "no ARN"),
    ("sns: {topic_arns: ['arn:aws:sns:*:*:flyte']}", "account"), ("sns: {topic_arns: ['arn:aws:sns:us-east-1:1:a:b']}", "no ARN"),
    ("sns: {topic_arns: ['arn:aws:sns:us-east-1:1:a'], cert_url_prefixes: [x]}", "cert_url_prefixes"),
    ("pubsub: {}", "audience"), ("pubsub: {audience: ''}", "audience"), ("pubsub: {audience: a, jwks_url: x}", "jwks_url")], ids=str)
def test_push_mistakes_have_their_place(tmp_path, push, says):
    found = check(tmp_path, f"ingest:\n  http:\n    push:\n      {push}\n")
    assert [(line, level) for _, line, _, level, text in found if says in text and level == "error"] == [(4, "error")], found


def test_push_without_configuration_is_not_there(gateway, cloud):
    g = gateway()
    assert [g.post(f"/v1/push/{of}", "{}")[0] for of in ("sns", "pubsub")] == [404, 404]
    g = gateway(config(cloud).replace("sns: {", "# sns: {"), name="half")
    assert sns_post(g, "{}")[0] == 404 and g.post("/v1/push/pubsub", "{}")[0] == 401
    assert request(g.http, "GET", "/v1/push/pubsub")[0] == 405
