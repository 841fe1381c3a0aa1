"""What nats-server and its clients need for logins with JWTs and nkeys, made with nkeys alone."""
import base64
import json
import os
import time

import nkeys

BASIC = {k: -1 for k in ("subs", "data", "payload", "imports", "exports", "conn", "leaf")} | {"wildcards": True}
JETSTREAM = {k: -1 for k in ("mem_storage", "disk_storage", "streams", "consumer")}     # refused for a system account
OPERATOR, ACCOUNT, USER = nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER


def key(prefix):
    """(seed, pair)"""
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    return seed.decode(), nkeys.from_seed(bytearray(seed))


def public(pair):
    return pair.public_key.decode()


def jwt(subject, signer, claims, **more):
    def b64(b):
        return base64.urlsafe_b64encode(b).rstrip(b"=").decode()
    body = {"jti": "x", "iat": int(time.time()), "iss": public(signer), "name": "test", "sub": public(subject),
            "nats": {"version": 2, **claims}, **more}
    text = b64(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + b64(json.dumps(body).encode())
    return text + "." + b64(signer.sign(text.encode()))


def creds(account, **more):
    """The text of a .creds file of a new user; exp=… ends it."""
    seed, user = key(USER)
    token = jwt(user, account, {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}, **more)
    return (f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n")


def operator_conf():
    """(configuration of a server with an operator, the account whose users it lets in)"""
    operator = key(OPERATOR)[1]
    account, system = key(ACCOUNT)[1], key(ACCOUNT)[1]
    preload = "".join(f"  {public(a)}: {jwt(a, operator, {'type': 'account', 'limits': limits})}\n"
                      for a, limits in ((account, BASIC | JETSTREAM), (system, BASIC)))
    return (f"operator: {jwt(operator, operator, {'type': 'operator'})}\nresolver: MEMORY\n"
            f"system_account: {public(system)}\nresolver_preload: {{\n{preload}}}\n"), account      # JetStream wants one


def nkey_conf():
    """(configuration of a server that lets in one nkey, its seed)"""
    seed, user = key(USER)
    return f"authorization {{ users: [ {{nkey: {public(user)}}} ] }}\n", seed
