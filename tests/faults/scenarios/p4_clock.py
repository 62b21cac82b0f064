"""P4: the wall clock jumps under load."""

import base64
import http.client
import json
import threading
import time

from load import grpc_load, http_load
from processes import Cluster
from scenario import Result, control, loads, scenario
from shims import ClockShim

HOUR, YEAR = 3600, 365.25 * 86400
# (seconds that the clock is ahead, how long). Who waited for a moment of the wall clock when it went back would be late
# by as much; a heart that has not beaten for 10 s shows it.
STEPS = ((HOUR, 3), (0, 2), (-2 * HOUR, 14), (0, 2), (10 * YEAR, 3), (0, 3),
         *((second, 0.4) for second in (1, 0, -1, 0)))
# How often that is by more than the minute that `clock_jumps_total` lets pass. Such steps last longer than the
# second after which programs look again.
JUMPS = sum(abs(after - before) > 60 for (before, _), (after, _) in zip(((0, 0), *STEPS), STEPS))
NEAR = 2  # seconds
ASK_EVERY = 0.02
CONTROL = 8  # seconds


class Dates:
    """Asks for tokens and looks at their times."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.shift = 0
        self.changed = time.monotonic()
        self.wrong, self.ttls, self.count = [], set(), 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def ask(self):
        connection = http.client.HTTPConnection(self.gateway.host, self.gateway.port, timeout=5)
        try:
            connection.request("POST", "/getToken", '{"room_name": "faults", "participant_identity": "dates"}')
            token = json.loads(connection.getresponse().read())["participant_token"]
        finally:
            connection.close()
        body = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    def run(self):
        while not self.ending.wait(ASK_EVERY):
            before, shift = time.monotonic(), self.shift
            try:
                claims = self.ask()
            except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                self.wrong.append(f"no token: {error}")
                continue
            if self.changed > before - 0.1:
                continue  # before or after the step, nobody knows
            self.count += 1
            issued = claims.get("iat", claims["nbf"])
            self.ttls.add(claims["exp"] - issued)
            if abs(issued - (time.time() + shift)) > NEAR:
                self.wrong.append(f"issued {issued - time.time() - shift:.0f} s off at {shift} s")

    def step(self, shims, shift):
        self.changed = float("inf")
        for shim in shims:
            shim.set(shift)
        self.shift, self.changed = shift, time.monotonic()

    def stop(self):
        self.ending.set()
        self.thread.join()


def jumps_of(cluster):
    return {program.name: program.metric("clock_jumps_total") for program in cluster.programs}


@scenario("p4", "the clock jumps by an hour, two hours back, ten years, seconds: no request fails, every date is right")
def clock(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server, gateway = cluster.add_server(), cluster.add_gateway()
        shims = [ClockShim(program) for program in cluster.programs]
        cluster.start()
        # fault_load's own clock does not jump, so it cannot verify; Dates does.
        how = {"http": http_load(cluster, verify_keys=""), "grpc": grpc_load(cluster, verify_keys="")}
        quiet = control(CONTROL, **how)
        result.check("no jump is counted before there is one", sum(jumps_of(cluster).values()) == 0)
        dates = Dates(gateway)
        dead = []
        try:
            with loads(**how) as running:
                for shift, seconds in STEPS:
                    dates.step(shims, shift)
                    end = time.monotonic() + seconds
                    while time.monotonic() < end:
                        dead += [(program.name, shift) for program in cluster.programs
                                 if program.admin("/livez")[0] != 200]
                        time.sleep(0.2)
                reports = running.stop()
        finally:
            dates.stop()
        result.none_failed(quiet, reports)
        for name, report in reports.items():
            result.p99_at_most(name, quiet[name], report)
        result.figure("tokens_looked_at", dates.count)
        result.check(f"every token is dated as the clock says: {dates.wrong[:5]} of {dates.count}",
                     dates.count > 100 and not dates.wrong)
        result.check(f"every token lasts equally long: {dates.ttls}", len(dates.ttls) == 1 and min(dates.ttls) > 0)
        jumps = jumps_of(cluster)
        result.check(f"each program counts {JUMPS} jumps: {jumps}", set(jumps.values()) == {JUMPS})
        result.check(f"all are alive throughout: {sorted(set(dead))}", not dead)
        for program in (server, gateway):
            result.check(f"{program.name} is ready", program.admin("/readyz")[0] == 200)
    return result
