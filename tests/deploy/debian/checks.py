"""What the installed packages have to do: each check takes the machine as the one before it has left it."""

import base64
import json
import re
import threading
import time

from machine import eventually
from packages import SERVICE

ETC = "/etc/livekit-token-service"
KINDS = ("standalone", "server", "gateway")
UNITS = [f"livekit-token-{kind}" for kind in KINDS]
STANDALONE, SERVER, GATEWAY = UNITS
# systemd-analyze's own measure, in tenths: 0 is all shut, 100 all open.
EXPOSURE = 12
MISTAKEN = f"echo 'projets: []' > {ETC}/server/standalone.yaml"
# Folders in which what is there after purge is not the package's.
OTHERS = ("/proc /sys /dev /run /tmp /var/lib/dpkg /var/lib/apt /var/lib/logrotate /var/cache /var/log/journal "
          "/var/log/apt /var/log/dpkg.log")


class Checks:
    def __init__(self, machine, packages, newer, documents):
        self.machine = machine
        self.packages = packages
        self.newer = newer
        self.documents = documents
        self.key = None

    # What the checks share.

    def documented(self, title):
        """Runs the block of the documentation that has that title, as it is written there."""
        blocks = re.findall(rf"<!-- test: debian {title} -->\n```sh\n(.*?)```", self.documents, re.DOTALL)
        assert len(blocks) == 1, f"{len(blocks)} blocks `{title}` in the documentation"
        return self.machine.shell(blocks[0])

    def mint(self, key=None):
        """The HTTP status and, if it is 201, the claims of a token."""
        answer = self.machine.run(
            "curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}",
            "--header", f"X-API-Key: {key or self.key}", "--json", '{"room_name": "lobby"}',
            "http://localhost:3000/getToken", check=False).stdout
        body, status = answer.rsplit("\n", 1)
        if status != "201":
            return status, None
        claims = json.loads(body)["participant_token"].split(".")[1]
        return status, json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))

    def must_mint(self):
        status, claims = self.mint()
        assert status == "201", status
        return claims

    def install(self, package):
        name = package.name
        self.machine.run("sh", "-c", f"base64 -d > /tmp/{name}", stdin=base64.b64encode(package.read_bytes()).decode())
        done = self.machine.run("apt-get", "install", "-y", f"/tmp/{name}")
        self.machine.run("rm", f"/tmp/{name}")
        assert "error" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr

    def files(self):
        """Every file with its owner and mode, and who there is."""
        prune = " -o ".join(f"-path {folder}" for folder in OTHERS.split())
        listing = self.machine.shell(rf"find / \( {prune} \) -prune -o -printf '%p %u:%g %m %l\n'; "
                                     "getent passwd; getent group")
        # Lock files, and copies of the files of users from before a change, which the tools for users leave.
        theirs = re.compile(r"/etc/(passwd|group|shadow|gshadow)-|/etc/\S*\.lock")
        return {line for line in listing.stdout.splitlines() if not theirs.match(line)}

    def show(self, unit, name):
        return self.machine.show(unit, name)

    def process(self, unit):
        """What the kernel says of a unit's process, by the names in proc(5)."""
        text = self.machine.output("cat", f"/proc/{self.show(unit, 'MainPID')}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines())

    def journal(self, unit):
        return self.machine.output("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    # The checks.

    def nothing_starts_by_itself(self):
        self.before = self.files()
        self.install(self.packages[SERVICE])
        for unit in UNITS:
            assert self.machine.run("systemctl", "is-enabled", unit, check=False).stdout == "disabled\n", unit
            assert self.show(unit, "ActiveState") == "inactive", unit
        assert self.machine.output("dpkg", "--verify", SERVICE) == ""
        assert self.machine.output("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", SERVICE) == "ii"

    def users_and_folders(self):
        for user in ("_livekit-token", "_livekit-token-gateway"):
            name, _, uid, _, _, _, shell = self.machine.output("getent", "passwd", user).split(":")
            assert name == user and 0 < int(uid) < 1000 and shell.endswith("/nologin"), (uid, shell)
        modes = self.machine.output("stat", "--format=%n %U:%G %a", ETC, f"{ETC}/server", f"{ETC}/gateway")
        assert modes == (f"{ETC} root:root 755\n{ETC}/server root:_livekit-token 2750\n"
                         f"{ETC}/gateway root:_livekit-token-gateway 2750"), modes

    def units_are_right(self):
        verified = self.machine.run("systemd-analyze", "verify", *(f"{unit}.service" for unit in UNITS))
        assert verified.stdout + verified.stderr == "", verified.stdout + verified.stderr
        threshold = f"--threshold={EXPOSURE}"
        for unit in UNITS:
            self.machine.run("systemd-analyze", "security", "--no-pager", threshold, f"{unit}.service")
        # Of another name, so that the drop-in is not for it.
        self.machine.shell("cp /usr/lib/systemd/system/livekit-token-gateway.service /tmp/bare.service")
        bare = self.machine.run("systemd-analyze", "security", "--offline=true", threshold, "/tmp/bare.service",
                                check=False)
        assert bare.returncode == 1, "a unit without the sandbox passes"

    def wrong_configuration_is_not_tried_again(self):
        for attempt in ("true", MISTAKEN):  # there is no file; there is one with mistakes
            self.machine.shell(attempt)
            assert self.machine.run("systemctl", "start", STANDALONE, check=False).returncode == 1
            status = self.show(STANDALONE, "ExecMainStatus")
            assert status == "78" and status in self.show(STANDALONE, "RestartPreventExitStatus").split(), status
            assert self.show(STANDALONE, "ActiveState") == "failed" and self.show(STANDALONE, "SubState") == "failed"
            assert self.show(STANDALONE, "NRestarts") == "0"
        log = self.journal(STANDALONE)
        assert "standalone.yaml: projets: " in log, log

    def starts_as_documented(self):
        made = self.documented("standalone")
        self.key = re.search(r"acme\.\S{16,}", made.stderr)[0]
        assert self.show(STANDALONE, "ActiveState") == "active" and self.show(STANDALONE, "Type") == "notify"
        claims = self.must_mint()
        assert claims["iss"] == "APIabc" and claims["video"]["room"] == "lobby", claims
        assert self.mint("acme.not-the-secret-0123456789")[0] == "401"

    def confined(self):
        status = self.process(STANDALONE)
        assert status["Uid"].split() == [self.machine.output("id", "-u", "_livekit-token")] * 4, status["Uid"]
        assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapBnd"], 16)) == ("1", "2", 0), status
        # What the unit asks for: the program sets the first itself, and this machine may have less of the second, of
        # which few_descriptors would tell.
        assert (self.show(STANDALONE, "LimitCORE"), self.show(STANDALONE, "LimitNOFILE")) == ("0", "65536")
        log = self.journal(STANDALONE)
        assert "few_descriptors" not in log and "no_inotify" not in log and '"started"' in log, log
        own, other = (self.machine.run("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                                       "cat", f"{ETC}/server/keys.yaml", check=False)
                      for user in ("_livekit-token", "_livekit-token-gateway"))
        assert own.stdout.startswith("APIabc: "), own.stderr
        assert other.returncode != 0 and "Permission denied" in other.stderr, "the gateway's user can read the keys"

    def keys_change_while_it_runs(self):
        pid = self.show(STANDALONE, "MainPID")
        self.machine.shell(f"umask 027; cd {ETC}/server; sed s/^APIabc/APInew/ keys.yaml > new; mv new keys.yaml")
        eventually(lambda: self.must_mint()["iss"] == "APInew", 10, "the new key signs")
        assert self.show(STANDALONE, "MainPID") == pid

    def reload_refuses_mistakes(self):
        pid = self.show(STANDALONE, "MainPID")
        loaded = self.journal(STANDALONE).count('"config_loaded"')
        self.machine.run("systemctl", "reload", STANDALONE)
        eventually(lambda: self.journal(STANDALONE).count('"config_loaded"') > loaded, 10, "it is read anew")
        self.machine.shell(f"cd {ETC}/server && cp -p standalone.yaml kept && {MISTAKEN}")
        assert self.machine.run("systemctl", "reload", STANDALONE, check=False).returncode == 1
        self.must_mint()
        self.machine.shell(f"mv {ETC}/server/kept {ETC}/server/standalone.yaml")
        self.machine.run("systemctl", "reload", STANDALONE)
        assert self.show(STANDALONE, "ActiveState") == "active" and self.show(STANDALONE, "MainPID") == pid

    def a_hanging_process_is_replaced(self):
        # Its name comes early in the alphabet: it counts nevertheless, since the package's own drop-in comes first.
        drop_in = f"/run/systemd/system/{STANDALONE}.service.d"
        self.machine.shell(f"mkdir {drop_in} && printf '[Service]\\nWatchdogSec=2\\n' > {drop_in}/a.conf && "
                           f"systemctl daemon-reload && systemctl restart {STANDALONE}")
        pid = self.show(STANDALONE, "MainPID")
        first = self.show(STANDALONE, "WatchdogTimestampMonotonic")
        eventually(lambda: int(self.show(STANDALONE, "WatchdogTimestampMonotonic")) > int(first) + 3_000_000, 10,
                   "signs of life for 3 s")
        assert self.show(STANDALONE, "NRestarts") == "0" and self.show(STANDALONE, "MainPID") == pid
        self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", STANDALONE)
        eventually(lambda: self.mint()[0] == "201" and self.show(STANDALONE, "MainPID") != pid, 30, "another serves")
        assert self.show(STANDALONE, "NRestarts") == "1"
        self.machine.shell(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart {STANDALONE}")
        assert self.show(STANDALONE, "WatchdogUSec") == "30s"

    def upgrade_while_it_serves(self):
        self.machine.shell("echo '# edited' >> /etc/logrotate.d/livekit-token-service")
        self.machine.shell(f"echo '# edited' >> {ETC}/server/standalone.yaml")
        mine = ("sha256sum", "/etc/logrotate.d/livekit-token-service", f"{ETC}/server/standalone.yaml",
                f"{ETC}/server/keys.yaml")
        edited = self.machine.output(*mine)
        pid = self.show(STANDALONE, "MainPID")
        over = threading.Event()
        answers = []

        def ask():
            while not over.is_set():
                answers.append((time.monotonic(), self.mint()[0]))

        client = threading.Thread(target=ask)
        client.start()
        try:
            self.install(self.newer[SERVICE])
        finally:
            over.set()
            client.join()
        assert self.machine.output("dpkg-query", "--show", "--showformat=${Version}", SERVICE) == "0.9.0-1"
        assert self.show(STANDALONE, "ActiveState") == "active" and self.show(STANDALONE, "MainPID") != pid
        self.must_mint()
        assert self.machine.output(*mine) == edited
        # 000: refused, while there is no listener. Whatever was answered was answered well.
        assert {status for _, status in answers} <= {"201", "000"}, answers
        assert sum(status == "201" for _, status in answers) >= 10, answers
        refused = [when for when, status in answers if status == "000"]
        gap = max(refused) - min(refused) if refused else 0
        assert gap < 2, f"refused for {gap:.1f} s"
        for unit in (SERVER, GATEWAY):
            assert self.show(unit, "ActiveState") == "inactive", unit
        return f"{len(answers)} requests meanwhile, {len(refused)} refused"

    def stops_in_order(self):
        assert self.machine.output("systemctl", "is-enabled", STANDALONE) == "enabled"
        self.machine.run("systemctl", "disable", "--now", STANDALONE)
        shown = {name: self.show(STANDALONE, name) for name in ("Result", "ExecMainStatus", "ActiveState")}
        assert shown == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}, shown
        assert self.mint()[0] == "000"

    def two_processes_as_documented(self):
        self.documented("two processes")
        assert self.must_mint()["iss"] == "APInew"
        for unit, user in ((SERVER, "_livekit-token"), (GATEWAY, "_livekit-token-gateway")):
            assert self.process(unit)["Uid"].split() == [self.machine.output("id", "-u", user)] * 4, unit

    def a_port_that_is_taken_is_tried_again(self):
        started = self.machine.run("systemctl", "start", STANDALONE, check=False)  # the two processes have its ports
        assert started.returncode == 1
        assert self.show(STANDALONE, "ExecMainStatus") == "1"
        self.machine.run("systemctl", "stop", GATEWAY, SERVER)
        eventually(lambda: self.show(STANDALONE, "ActiveState") == "active", 15, "it starts when the ports are free")
        self.must_mint()
        self.machine.run("systemctl", "stop", STANDALONE)
        self.machine.run("systemctl", "start", SERVER, GATEWAY)

    def audit_is_rotated(self):
        audit = "audit: { file: /var/log/livekit-token/audit.jsonl }"
        issued = lambda: "issued" in self.machine.run(
            "cat", "/var/log/livekit-token/audit.jsonl", check=False).stdout
        self.machine.shell(f"echo '{audit}' >> {ETC}/server/server.yaml && systemctl restart {SERVER}")
        eventually(lambda: self.mint()[0] == "201", 20, "the gateway finds the server again")
        eventually(issued, 10, "the token is in the audit file")
        self.machine.run("logrotate", "--force", "/etc/logrotate.d/livekit-token-service")
        eventually(lambda: self.must_mint() and issued(), 10, "a new audit file is written")
        assert "issued" in self.machine.output("cat", "/var/log/livekit-token/audit.jsonl.1")
        owner = self.machine.output("stat", "--format=%U:%G %a", "/var/log/livekit-token/audit.jsonl")
        assert owner == "_livekit-token:_livekit-token 600", owner

    def remove_keeps_the_configuration(self):
        self.machine.run("apt-get", "remove", "-y", SERVICE)
        assert self.mint()[0] == "000"
        assert self.machine.run("ls", "/usr/bin/livekit-token-server", check=False).returncode == 2
        self.machine.run("ls", f"{ETC}/server/keys.yaml", f"{ETC}/gateway/gateway.key")
        assert self.machine.output("systemctl", "is-system-running") == "running"
        self.install(self.newer[SERVICE])
        assert self.machine.output("systemctl", "is-enabled", SERVER) == "enabled"
        assert self.show(SERVER, "ActiveState") == "inactive"
        self.machine.run("systemctl", "start", SERVER, GATEWAY)
        self.must_mint()

    def purge_leaves_nothing(self):
        self.machine.run("apt-get", "purge", "-y", SERVICE)
        after = self.files()
        assert after == self.before, "\n".join(sorted(after ^ self.before))
        assert self.machine.output("systemctl", "is-system-running") == "running"

    ORDER = (nothing_starts_by_itself, users_and_folders, units_are_right, wrong_configuration_is_not_tried_again,
             starts_as_documented, confined, keys_change_while_it_runs, reload_refuses_mistakes,
             a_hanging_process_is_replaced, upgrade_while_it_serves, stops_in_order, two_processes_as_documented,
             a_port_that_is_taken_is_tried_again, audit_is_rotated, remove_keeps_the_configuration,
             purge_leaves_nothing)
