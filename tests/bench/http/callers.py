"""Who asks in the benchmark: nobody in particular, or a user with a JSON Web Token (RS256) of an issuer we play."""

import base64
import json
import subprocess
import time

import peers

ISSUER = "https://login.bench.example"
# Of the policies below, the first lets the user choose as the anonymous one does; the other has ten rules.
CALLERS = {"": None, "jwt": "basic", "jwt-ten-rules": "ten"}
AUTHENTICATOR = (
    f'{{ name: users, jwt: {{ issuer: "{ISSUER}", audiences: [bench], algorithms: [RS256], '
    "public_key_file: issuer.pem } }"
)
POLICIES = """
  - { name: user, extends: bench, match: { authenticator: users, claims: { plan: basic } } }
  - name: ten
    match: { authenticator: users, claims: { plan: ten }, scopes: ["calls:join"] }
    room: { client: allow, pattern: "[a-z-]{1,64}", max_bytes: 64 }
    identity: { client: if_equal, value: "{subject}" }
    display_name: { client: allow, max_bytes: 64, default: "{claims.name?}" }
    metadata: { client: forbid, value: "{claims.plan}" }
    attributes: { client: allow, keys: [lang], value: { plan: "{claims.plan}", tenant: "{claims.tenant}" } }
    room_config: { client: allow, agents: ["*"], max_agents: 1, max_metadata_bytes: 1024 }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true }
    ttl: 10m
"""


def _openssl(*words, stdin=None):
    return subprocess.run(["openssl", *map(str, words)], input=stdin, stdout=subprocess.PIPE, check=True).stdout


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def write_issuer(folder):
    """The issuer's public key, for the configuration of a server that runs in `folder`."""
    key = _key()
    _openssl("pkey", "-in", key, "-pubout", "-out", folder / "issuer.pem")


def _key():
    key = peers.WORK / "issuer.key"
    if not key.exists():
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    return key


def headers(caller):
    """The header lines that the caller adds to each request."""
    plan = CALLERS[caller]
    if plan is None:
        return {}
    claims = {
        "iss": ISSUER, "aud": "bench", "sub": "user-4711", "plan": plan, "tenant": "acme", "scope": "calls:join openid",
        "iat": int(time.time()), "exp": int(time.time()) + 3600,
    }
    signed = _encode(b'{"alg":"RS256","typ":"JWT"}') + b"." + _encode(json.dumps(claims).encode())
    signature = _openssl("dgst", "-sha256", "-sign", _key(), stdin=signed)
    return {"Authorization": "Bearer " + (signed + b"." + _encode(signature)).decode()}
