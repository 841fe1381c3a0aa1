"""What SNS and Pub/Sub send to a URL, signed with keys of the tests' own, and the server that has their certificates and keys."""
import base64
import datetime
import functools
import json
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from webhook import Webhook

TOPIC = "arn:aws:sns:us-east-2:123456789012:flyte-events"
AUDIENCE = "https://gateway.example/v1/push/pubsub"
ACCOUNT = "pusher@project.iam.gserviceaccount.com"


@functools.lru_cache
def made(_name):
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key(name="first"):
    """One RSA key a name and process."""
    return made(name)


def certificate(of, days=(-1, 1)):
    """PEM of a certificate that is valid from and until so many days from now."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    begin, end = (now + datetime.timedelta(days=d) for d in days)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(of.public_key()).serial_number(1)
    return built.not_valid_before(begin).not_valid_after(end).sign(of, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def number(n):
    return base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def jwk(of, kid, **more):
    n = of.public_key().public_numbers()
    return {"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": number(n.n), "e": number(n.e), **more}


class Cloud(Webhook):
    """pages: path: (status, headers, body), or a function that gives it. Whatever else is asked for is answered 200."""

    def __init__(self):
        super().__init__(self.page)
        self.base = f"http://127.0.0.1:{self.port}/"
        self.pages = {"/first.pem": (200, {}, certificate(key()))}

    def page(self, request):
        found = self.pages.get(request.path.partition("?")[0], (200, {}, b""))
        return found() if callable(found) else found

    def asked(self, path):
        return [r for r in self.requests if r.path.partition("?")[0] == path]


# ---- SNS
SIGNED = {"Notification": ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
          "SubscriptionConfirmation": ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]}
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]


def moment(seconds=0):
    """SNS's form of so many seconds from now."""
    return datetime.datetime.fromtimestamp(time.time() + seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.123Z")


def sign(m, by=None, keys=None):
    """The message with its signature, as AWS's documentation says how."""
    text = "".join(f"{k}\n{m[k]}\n" for k in keys or SIGNED[m["Type"]] if k in m)
    of = hashes.SHA1() if m["SignatureVersion"] == "1" else hashes.SHA256()
    return {**m, "Signature": base64.b64encode((by or key()).sign(text.encode(), padding.PKCS1v15(), of)).decode()}


def sns(cloud, kind="Notification", version="2", **members):
    """A message without its signature; a member that is None is left out."""
    m = {"Type": kind, "MessageId": str(uuid.uuid4()), "TopicArn": TOPIC, "Message": "hello", "Timestamp": moment(),
         "SignatureVersion": version, "SigningCertURL": cloud.base + "first.pem"}
    if kind != "Notification":
        m |= {"Token": "2336412f37fb687f", "SubscribeURL": cloud.base + "?Action=ConfirmSubscription&Token=2336412f37fb687f"}
    return {k: v for k, v in (m | members).items() if v is not None}


def sns_post(g, m, headers=None, **options):
    """(status, text) of what the gateway says."""
    body = m if isinstance(m, (bytes, str)) else json.dumps(m)
    status, _, text = g.post("/v1/push/sns", body, "text/plain; charset=UTF-8", headers=headers, **options)
    return status, text


# ---- Pub/Sub
def token(by=None, kid="first", **claims):
    """What Google signs; a claim that is None is left out."""
    now = int(time.time())
    claims = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "iat": now, "exp": now + 3600, "email": ACCOUNT,
              "email_verified": True, "sub": "1", "azp": "1"} | claims
    claims = {k: v for k, v in claims.items() if v is not None}
    return jwt.encode(crypt.RSASigner(by or key(), kid), claims).decode()


def wrapped(data=None, **attributes):
    """The body of a push; data is bytes, text or an object."""
    data = data if data is None or isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    message = {"messageId": "1", "message_id": "1", "publishTime": "2026-11-01T00:00:00Z", "publish_time": "2026-11-01T00:00:00Z",
               **({} if data is None else {"data": base64.b64encode(data).decode()}), **({"attributes": attributes} if attributes else {})}
    return {"message": message, "subscription": "projects/p/subscriptions/s", "deliveryAttempt": 3}


def pubsub_post(g, body, bearer=None, headers=None, **options):
    """(status, text) of what the gateway says; bearer "": none."""
    auth = {} if bearer == "" else {"Authorization": "Bearer " + (bearer or token())}
    status, _, text = g.post("/v1/push/pubsub", body if isinstance(body, (bytes, str)) else json.dumps(body),
                             headers={**auth, **(headers or {})}, **options)
    return status, text
