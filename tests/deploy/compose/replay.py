"""The services of compose files as processes: their commands, users, files and addresses, without containers."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/faults"))
from processes import BIN, Failed, await_that  # noqa: E402  pylint: disable=wrong-import-position

# As in the network of production.yaml: the host, and the container.
HOST, CONTAINER, ANOTHER = "172.30.77.1", "172.30.77.2", "172.30.77.3"
ROOM = '{"room_name": "lobby-a"}'


class Wrong(Exception):
    """What is wrong, as a sentence."""


def set_up_network():
    for command in (["link", "set", "lo", "up"], *(["addr", "add", f"{address}/24", "dev", "lo"] for address in
                                                   (HOST, CONTAINER, ANOTHER))):
        subprocess.run(["ip", *command], check=True)


class Container:
    """A service's command, with the files that it would see, as the user that it would be. `program` is the one that
    its image starts; else the command names one of ours."""

    def __init__(self, service, program=None):
        self.service = service
        self.program = program
        self.mapping = {volume["target"]: volume["source"] for volume in service.get("volumes", [])}
        # Configuration files name paths inside the container too.
        for folder in self.mapping.values():
            for file in pathlib.Path(folder).glob("*.yaml"):
                text = file.read_text()
                if self.mapped(text) != text:
                    file.write_text(self.mapped(text))
        user = service.get("user", "65532:65532").split(":")
        self.prefix = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--no-new-privs",
                       "--bounding-set=-all", "--inh-caps=-all"]
        self.process = None

    def mapped(self, text):
        for target, source in self.mapping.items():
            text = text.replace(target, source)
        return text

    def argv(self, words):
        """A command line of the service, by the program that was built."""
        program, *rest = words
        path = self.program or BIN / program
        if not path.exists():
            raise Wrong(f"there is no {path}: ./dev build")
        return [*self.prefix, str(path), *map(self.mapped, rest)]

    def __enter__(self):
        words = (self.service["entrypoint"] or ["livekit-server"]) + self.service["command"]
        environment = {"PATH": os.environ["PATH"]}
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.argv(words), env=environment, cwd="/", stdout=self.log_file,
                                        stderr=self.log_file)

        def healthy():
            if self.process.poll() is not None:
                raise Failed(f"it ended with {self.process.returncode}: {self.log()[-2000:]}")
            return self.health() == 0

        try:
            await_that(healthy, f"{words[0]} is healthy")
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log_file.close()

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read()

    def health(self):
        """The exit code of the service's healthcheck, or whether LiveKit answers."""
        if "healthcheck" not in self.service:
            return 0 if livekit_says("/") == (200, "OK") else 1
        kind, *words = self.service["healthcheck"]["test"]
        if kind != "CMD":
            raise Wrong("the healthcheck needs a shell, and the image has none")
        done = subprocess.run(self.argv(words), capture_output=True, text=True, check=False)
        if "Unknown command line flag" in done.stderr:
            raise Wrong("the program has no --healthcheck")
        return done.returncode

    def stop(self):
        """As `docker compose stop`."""
        grace = int(re.fullmatch(r"(\d+)s", self.service.get("stop_grace_period", "10s"))[1])
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(grace)
        except subprocess.TimeoutExpired:
            raise Wrong(f"it has not stopped within {grace} s") from None
        if code != 0:
            raise Wrong(f"it stopped with {code}")
        if self.health() == 0:
            raise Wrong("the healthcheck of a service that has stopped says yes")
        return time.monotonic() - begin


def ask(body=ROOM, source=HOST, target=CONTAINER, port=3000, **headers):
    """Status and body of a request as it comes from the host's published port."""
    connection = http.client.HTTPConnection(target, port, timeout=10, source_address=(source, 0))
    try:
        connection.request("POST", "/getToken", body,
                           {"Content-Type": "application/json", "Host": "localhost:3000", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def livekit_says(path):
    """Status and body of a GET at LiveKit."""
    connection = http.client.HTTPConnection(CONTAINER, 7880, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def check_livekit(service, program, token, more=()):
    """A LiveKit server that is started as its service says takes the token, and no other."""
    container = Container({**service, "command": [*service["command"], *more]}, program)
    for folder in container.mapping.values():
        for file in pathlib.Path(folder).glob("livekit.yaml"):
            # It would ask servers in the internet, which cannot be reached here.
            file.write_text(file.read_text().replace("use_external_ip: true", "use_external_ip: false"))
    with container:
        check_listening({"ports": [port for port in service["ports"] if port["protocol"] == "tcp"]})
        expect("LiveKit about the token", livekit_says(f"/rtc/validate?access_token={token}"), (200, "success"))
        expect("LiveKit about another", livekit_says(f"/rtc/validate?access_token={token[:-2]}")[0], 401)


def claims(token, key, secret):
    """What a token says, if this pair signed it."""
    head, body, signature = token.split(".")

    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    expected = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    if json.loads(decode(head))["alg"] != "HS256" or not hmac.compare_digest(expected, decode(signature)):
        raise Wrong("the token was signed with something else")
    said = json.loads(decode(body))
    if said["iss"] != key:
        raise Wrong(f"the token says that {said['iss']} signed it")
    return said


def expect(what, got, wanted):
    if got != wanted:
        raise Wrong(f"{what}: {got} instead of {wanted}")


def must_not_verify(token, key, secret):
    try:
        claims(token, key, secret)
    except Wrong:
        return
    raise Wrong("a token is verified by a pair that did not sign it")


def check_listening(service):
    """Every port that is published leads to a listener."""
    for port in service["ports"]:
        connection = http.client.HTTPConnection(CONTAINER, port["target"], timeout=5)
        try:
            connection.connect()
        except OSError as error:
            raise Wrong(f"nothing listens on published port {port['target']}: {error}") from None
        finally:
            connection.close()


def development(project, livekit_server=None):
    service = project["services"]["token"]
    if "--dev" not in project["services"]["livekit"]["command"]:
        raise Wrong("LiveKit does not run in development mode")
    with Container(service) as token:
        check_listening(service)
        status, body = ask("{}")
        expect("a guest", status, 201)
        # LiveKit's port, where the browser on the host reaches it.
        published = [port["published"] for port in project["services"]["livekit"]["ports"]]
        expect("server_url", body["server_url"], f"ws://localhost:{published[0]}")
        expect("may join", claims(body["participant_token"], "devkey", "secret")["video"]["roomJoin"], True)
        must_not_verify(body["participant_token"], "devkey", "secret2")
        joining = body["participant_token"]
        status, body = ask("{}", Host="attacker.example")
        expect("by another name", (status, body["reason"]), (403, "HOST_NOT_ALLOWED"))
        if livekit_server is not None:
            check_livekit(project["services"]["livekit"], livekit_server, joining)
        token.stop()


def production(project, livekit_server=None):
    service, livekit = project["services"]["token"], project["services"]["livekit"]
    expect("files of both", service["volumes"], livekit["volumes"])
    with Container(service) as token:
        check_listening(service)
        # The pair that livekit-server is told.
        path = token.mapped(livekit["command"][livekit["command"].index("--key-file") + 1])
        key, secret = pathlib.Path(path).read_text().strip().split(": ")
        status, body = ask(**{"X-Forwarded-For": "198.51.100.1"})
        expect("a guest", status, 201)
        said = claims(body["participant_token"], key, secret)
        expect("the room", said["video"]["room"], "lobby-a")
        must_not_verify(body["participant_token"], key, secret[:-1])
        if livekit_server is not None:
            check_livekit(livekit, livekit_server, body["participant_token"], ["--node-ip", CONTAINER])
        expect("another room", ask('{"room_name": "studio"}')[0], 403)
        expect("from a page", ask(Origin="https://attacker.example")[1]["reason"], "ORIGIN_NOT_ALLOWED")
        # The proxy's word counts for the limit, and nobody else's does.
        limited = [ask(**{"X-Forwarded-For": "198.51.100.2"})[0] for _ in range(100)]
        expect("too often", limited[-1], 429)
        expect("another guest", ask(**{"X-Forwarded-For": "198.51.100.3"})[0], 201)
        spoofed = [ask(source=ANOTHER, **{"X-Forwarded-For": f"198.51.100.{n}"})[0] for n in range(100, 200)]
        expect("from elsewhere with made-up addresses", spoofed[-1], 429)
        took = token.stop()
        drain = 8  # drain.delay
        if took < drain:
            raise Wrong(f"it stopped after {took:.1f} s, before load balancers have noticed")
        for line in (secret, body["participant_token"]):
            if line in token.log():
                raise Wrong("the log has a secret or a token")
