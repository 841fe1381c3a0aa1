"""Every kind of Google's application default credentials, as a command meets them: what is asked of Google (a stand-in) is what
google-auth asks with the same file, and the token that comes of it is what Pub/Sub (pstest) sees."""
import datetime
import json
import time
import urllib.parse
from unittest import mock

import pytest
from google.auth import aws, external_account_authorized_user, identity_pool, jwt, pluggable
from google.auth.transport.requests import Request

import gcp
from gateway import run
from wait import wait_until

SCOPE = "https://www.googleapis.com/auth/pubsub"


@pytest.fixture
def google():
    server = gcp.Google()
    yield server
    server.close()


def source(pubsub, name):
    return f"ingest: {{pubsub: [{{project: test-project, subscription: {name}, endpoint: '{pubsub.url}'}}]}}\n"


class Asking:
    """`check --online` with a file of credentials: what it says, and what Pub/Sub saw."""

    def __init__(self, tmp_path, pubsub, google, name):
        self.tmp_path, self.pubsub, self.google, self.name = tmp_path, pubsub, google, name
        (tmp_path / "moongate.yaml").write_text(
            source(pubsub, name) + "pipelines:\n  - {name: a, publisher: {type: pubsub, project: test-project, "
            f"topic: {name}, endpoint: '{pubsub.url}'}}}}\n")

    def __call__(self, credentials=None, **env):
        if credentials:
            (self.tmp_path / "key.json").write_text(json.dumps(credentials))
            env["GOOGLE_APPLICATION_CREDENTIALS"] = str(self.tmp_path / "key.json")
        before = len(self.pubsub.calls("GetSubscription", self.name))
        self.google.asked.clear()
        done = run("check", "-c", self.tmp_path / "moongate.yaml", "--online", cwd=self.tmp_path,
                   env={"HOME": str(self.tmp_path), "GCE_METADATA_HOST": self.google.address, **env})
        other, line = done.stdout.splitlines()
        assert ": a: " in other and "ingest.pubsub: " in line and other.split("; we are")[1:] == line.split("; we are")[1:], done.stdout
        for secret in ["GOCSPX", "1//refresh", "PRIVATE KEY", "ya29", "ey.subject", "ey.printed", *self.google.tokens]:
            assert secret not in done.stdout + done.stderr
        return line, [c["metadata"] for c in self.pubsub.calls("GetSubscription", self.name)[before:]]


@pytest.fixture
def asking(tmp_path, pubsub, google, name):
    pubsub.pair(name)
    return Asking(tmp_path, pubsub, google, name)


def bearer(metadata):
    value, = metadata["authorization"]
    return value.removeprefix("Bearer ")


def test_a_key_signs_what_google_auth_verifies(asking, google):
    line, (metadata,) = asking(google.service_account(quota_project_id="quota"))
    assert f"we are {gcp.EMAIL}" in line and not google.asked
    claims = jwt.decode(bearer(metadata), certs=google.public(), audience="https://pubsub.googleapis.com/")
    assert claims["iss"] == claims["sub"] == gcp.EMAIL and claims["exp"] - claims["iat"] == 3600
    assert jwt.decode_header(bearer(metadata)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert metadata["x-goog-user-project"] == ["quota"]
    # Another token endpoint than Google's is given an assertion.
    line, (metadata,) = asking(google.service_account(token_uri=google.url + "/token"))
    (method, path, _, body), = google.asked
    assert (method, path) == ("POST", "/token") and bearer(metadata) == google.tokens[-1]
    sent = gcp.form(body)
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(sent["assertion"], certs=google.public(), audience=google.url + "/token")
    assert claims["scope"] == SCOPE and "x-goog-user-project" not in metadata


def theirs(google, kind, info):
    """What google-auth asks of the stand-in with the same file."""
    google.asked.clear()
    scopes = {} if kind is external_account_authorized_user.Credentials else {"scopes": [SCOPE]}
    kind.from_info(info, **scopes).refresh(Request())
    return list(google.asked)


def same(ours, theirs):
    """The same requests, but for the clock and for what says who asks."""
    assert [r[:2] for r in ours] == [r[:2] for r in theirs]
    for mine, other in zip(ours, theirs):
        for header in ("authorization", "metadata", "x-aws-ec2-metadata-token"):
            assert mine[2].get(header) == other[2].get(header), header
        if mine[1].startswith("/sts"):
            a, b = gcp.form(mine[3]), gcp.form(other[3])
            if a.get("subject_token_type") == gcp.AWS4:
                a["subject_token"], b["subject_token"] = subject(a["subject_token"]), subject(b["subject_token"])
            for sent in (a, b):                   # google-auth encodes it twice, Google's other libraries once, as the API says
                sent["options"] = json.loads(urllib.parse.unquote(sent.get("options", "null")))
            assert a == b


def subject(text):
    """A request that is signed for AWS, without its time and signature; the signature is google-auth's own of that time."""
    request = json.loads(urllib.parse.unquote(text))
    headers = {h["key"].lower(): h["value"] for h in request["headers"]}
    date, resource = headers.pop("x-amz-date"), {}
    if "x-goog-cloud-target-resource" in headers["authorization"]:   # ours, as in Google's other libraries
        resource = {"x-goog-cloud-target-resource": headers["x-goog-cloud-target-resource"]}
    with mock.patch("google.auth._helpers.utcnow", return_value=datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ")):
        signed = aws.RequestSigner("us-east-2").get_request_options(
            aws.AwsSecurityCredentials("AKIDTEST", "secret", "aws-token"), request["url"], request["method"], additional_headers=resource)
    assert headers.pop("authorization") == signed["headers"]["Authorization"]
    return {**request, "headers": headers}


def test_a_workloads_token_is_exchanged_as_google_auth_does_it(asking, google, tmp_path):
    (tmp_path / "subject").write_text("ey.subject")
    (tmp_path / "print.sh").write_text("echo '" + json.dumps(
        {"version": 1, "success": True, "token_type": gcp.JWT, "id_token": "ey.printed", "expiration_time": int(time.time()) + 600}) + "'")
    instance = {"environment_id": "aws1", "region_url": google.url + "/zone", "url": google.url + "/roles",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}
    allow = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    for kind, info, env in [
            (identity_pool, google.workload({"file": str(tmp_path / "subject"), "format": {"type": "text"}}), {}),
            (identity_pool, google.workload({"url": google.url + "/subject", "headers": {"Metadata": "True"},
                                             "format": {"type": "json", "subject_token_field_name": "value"}},
                                            client_id="c", client_secret="s"), {}),
            (identity_pool, google.workload({"file": str(tmp_path / "subject")}, workforce_pool_user_project="p",
                                            audience="//iam.googleapis.com/locations/global/workforcePools/w/providers/x"), {}),
            (pluggable, google.workload({"executable": {"command": f"sh {tmp_path}/print.sh", "timeout_millis": 5000}}), allow),
            (aws, google.workload(instance, subject_token_type=gcp.AWS4), {}),
            (external_account_authorized_user,
             {"type": "external_account_authorized_user", "audience": gcp.POOL, "client_id": "c", "client_secret": "s",
              "refresh_token": "1//refresh", "token_url": google.url + "/sts/oauthtoken"}, {})]:
        _, (metadata,) = asking(info, **env)
        assert bearer(metadata) == google.tokens[-1]
        mine = list(google.asked)
        with pytest.MonkeyPatch.context() as patch:
            for key, value in env.items():
                patch.setenv(key, value)
            same(mine, theirs(google, kind.Credentials, info))


def test_who_is_impersonated_is_who_we_are(asking, google, tmp_path):
    (tmp_path / "subject").write_text("ey.subject")
    for info, first in [(google.impersonated(google.user(), delegates=["d@x"]), "/token"),
                        (google.workload({"file": str(tmp_path / "subject")}, service_account_impersonation_url=google.impersonation()),
                         "/sts")]:
        line, (metadata,) = asking(info)
        assert f"we are {gcp.OTHER}" in line and bearer(metadata) == google.tokens[-1]
        assert [r[1] for r in google.asked] == [first, google.impersonation().removeprefix(google.url)]
        assert google.asked[1][2]["authorization"] == "Bearer " + google.tokens[-2]
        sent = json.loads(google.asked[1][3])
        assert sent.pop("delegates", []) == info.get("delegates", []) and sent == {"lifetime": "3600s", "scope": [SCOPE]}


def test_without_a_file_the_metadata_server_is_asked(asking, google, tmp_path):
    line, (metadata,) = asking(http_proxy="http://127.0.0.1:1", no_proxy="")
    assert f"we are {gcp.EMAIL}" in line and bearer(metadata) == google.tokens[-1]
    assert all(r[2]["metadata-flavor"] == "Google" for r in google.asked)
    # gcloud's own file goes before it.
    folder = tmp_path / ".config/gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text(json.dumps(google.user()))
    line, (metadata,) = asking()
    assert [r[1] for r in google.asked] == ["/token"] and "we are a user" in line
    assert gcp.form(google.asked[0][3]) == {"grant_type": "refresh_token", "refresh_token": "1//refresh", "client_id": "c.apps",
                                            "client_secret": "GOCSPX-secret"}


def test_what_is_wrong_is_told(asking, google):
    google.refuse = (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
    line, calls = asking(google.user())
    assert "error: ingest.pubsub: " in line and "invalid_grant: Token has been expired or revoked. (HTTP 400)" in line and not calls
    line, calls = asking({"type": "gdch_service_account"})
    assert "error: ingest.pubsub: " in line and "gdch_service_account" in line and "not supported" in line and not calls


def test_tokens_are_renewed_while_events_come(gateway, pubsub, google, name, tmp_path):
    """Tokens of two seconds: they are renewed each second, once for all, and no call is refused."""
    google.lives = 2
    pubsub.pair(name)
    g = gateway(source(pubsub, name) + "pipelines: [{name: a, publisher: {type: 'null'}}]\n",
                env={"HOME": str(tmp_path), "GCE_METADATA_HOST": google.address})
    begun, sent = time.monotonic(), 0
    while len(google.tokens) < 3:
        assert time.monotonic() - begun < 60
        pubsub.publish(name, [json.dumps({"specversion": "1.0", "id": str(sent), "source": "/s", "type": "t"}).encode()])
        sent += 1
        g.settled(sent, "a")
    wait_until(lambda: len({bearer(c["metadata"]) for c in pubsub.calls("Acknowledge", name)}) > 1)
    calls = pubsub.calls("Acknowledge", name)
    assert {c["code"] for c in calls} == {"OK"}
    assert {bearer(c["metadata"]) for c in calls} <= set(google.tokens)
    assert len(google.tokens) <= time.monotonic() - begun + 2        # at most once a second
    assert not any(t in g.log() for t in google.tokens)
