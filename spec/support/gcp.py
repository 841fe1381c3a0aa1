"""Google's token endpoint, STS, IAM's credentials and the metadata server on 127.0.0.1, a workload's URL and AWS's instance
beside them; and files of credentials that name them."""
import http.server
import json
import threading
import urllib.parse

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "gateway@test-project.iam.gserviceaccount.com"
OTHER = "other@test-project.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/mine"
JWT, AWS4 = "urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:aws:token-type:aws4_request"
SECRETS = {"private_key", "client_secret", "refresh_token"}


class Google:
    """asked: (method, path, headers, body) of each request, in order. Every token is another one; lives: for how long."""

    def __init__(self):
        self.asked, self.tokens, self.lives, self.refuse = [], [], 3600, None
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"google": self}))
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = "http://" + self.address
        self.key = rsa.generate_private_key(65537, 2048)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def token(self):
        with self.lock:
            self.tokens.append(f"ya29.token-{len(self.tokens)}")
            return self.tokens[-1]

    def answer(self, method, path):
        """(status, body) of a request."""
        if self.refuse:
            return self.refuse
        if path.startswith(("/token", "/sts", "/computeMetadata/v1/instance/service-accounts/default/token")):
            return 200, {"access_token": self.token(), "expires_in": self.lives, "token_type": "Bearer",
                         "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        if path.endswith(":generateAccessToken"):
            return 200, {"accessToken": self.token(), "expireTime": "2099-01-01T00:00:00Z"}
        texts = {"/computeMetadata/v1/instance/service-accounts/default/email": EMAIL,
                 "/session": "aws-session", "/zone": "us-east-2b",
                 "/roles": "my-role"}
        if path in texts:
            return 200, texts[path]
        if path == "/roles/my-role":
            return 200, {"AccessKeyId": "AKIDTEST", "SecretAccessKey": "secret", "Token": "aws-token"}
        if path == "/subject":
            return 200, {"value": "ey.subject"}
        if path.startswith("/computeMetadata/v1/instance/service-accounts/default/"):
            return 200, {"email": EMAIL, "scopes": [], "aliases": ["default"]}
        return 404, {}

    # ---- files
    def pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()

    def public(self):
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def service_account(self, **more):
        return {"type": "service_account", "project_id": "test-project", "private_key_id": "k1", "private_key": self.pem(),
                "client_email": EMAIL, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token", **more}

    def user(self, **more):
        return {"type": "authorized_user", "client_id": "c.apps", "client_secret": "GOCSPX-secret", "refresh_token": "1//refresh",
                "token_uri": self.url + "/token", **more}

    def impersonation(self, email=OTHER):
        return f"{self.url}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"

    def impersonated(self, source, **more):
        return {"type": "impersonated_service_account", "service_account_impersonation_url": self.impersonation(),
                "source_credentials": source, **more}

    def workload(self, source, **more):
        return {"type": "external_account", "audience": POOL, "subject_token_type": JWT, "token_url": self.url + "/sts",
                "credential_source": source, **more}


class Handler(http.server.BaseHTTPRequestHandler):
    google = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        with self.google.lock:
            self.google.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, answer = self.google.answer(self.command, self.path)
        text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.send_header("metadata-flavor", "Google")
        self.send_header("content-type", "text/plain" if isinstance(answer, str) else "application/json")
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET

    def log_message(self, *args):
        pass


def form(body):
    return dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
