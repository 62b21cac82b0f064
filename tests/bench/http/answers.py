"""The two requests of the benchmark, and what an answer to them must be."""

import base64
import hashlib
import hmac
import http.client
import json
import time

KEY = "APIbenchmarkKey"
SECRET = "benchSecret0123456789ABCDEFGHIJKLMNOPQRSTUV"
URL = "wss://bench.livekit.cloud"

AGENT = {"agent_name": "support-agent", "metadata": json.dumps({"ticket": "T-1234", "language": "en"})}
SMALL = {"room_name": "team-standup", "participant_identity": "user-4711", "participant_name": "Alice Example"}
REQUESTS = {"small": SMALL, "dispatch": {**SMALL, "room_config": {"agents": [AGENT]}}}


class WrongAnswer(Exception):
    """An answer that is not what the request asked for."""


def body(kind):
    return json.dumps(REQUESTS[kind], separators=(",", ":")).encode()


def fetch(port, path, kind):
    """Sends the request and returns the status and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", path, body(kind), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _must(condition, what):
    if not condition:
        raise WrongAnswer(what)


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check(kind, status, text):
    """Raises WrongAnswer unless the answer is a 201 with a token that LiveKit would accept for this request."""
    _must(status == 201, f"status {status}")
    answer = json.loads(text)
    _must(answer.get("server_url") == URL, "server_url")
    signed, _, signature = answer["participant_token"].rpartition(".")
    expected = hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
    _must(hmac.compare_digest(_decode(signature), expected), "signature")
    header, claims = (json.loads(_decode(part)) for part in signed.split("."))
    _must(header.get("alg") == "HS256", "alg")
    _must(claims.get("iss") == KEY, "iss")
    _must(claims.get("sub") == SMALL["participant_identity"], "sub")
    _must(claims.get("name") == SMALL["participant_name"], "name")
    _must(claims.get("nbf", 0) <= time.time() + 1 < claims.get("exp", 0), "nbf and exp")
    video = claims.get("video", {})
    _must(video.get("room") == SMALL["room_name"] and video.get("roomJoin") is True, "video")
    agents = claims.get("roomConfig", {}).get("agents", [])
    if kind == "dispatch":
        _must(len(agents) == 1, "one agent")
        _must(agents[0].get("agentName") == AGENT["agent_name"], "name of the agent")
        _must(agents[0].get("metadata") == AGENT["metadata"], "metadata of the agent")
    else:
        _must(not agents, "no agent")
