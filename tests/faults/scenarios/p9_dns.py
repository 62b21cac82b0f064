"""T9 and P9: servers found by a name in DNS, of which one is added, and DNS that fails."""

import random
import time

from dns_stub import DnsStub, resolve_by
from load import http_load
from processes import Cluster, await_that, free_port, need_namespaces
from scenario import Result, control, loads, scenario

AGE = 2  # seconds, of connections; when they end, names are resolved again
DNS_MIN = 5  # seconds between two resolutions at least
FAULT = 8  # seconds
WRONG = 9  # last byte of an address where nobody is
FAULTS = {
    "nxdomain": DnsStub.NXDOMAIN,
    "servfail": DnsStub.SERVFAIL,
    "delay": DnsStub.DELAY,
    "empty": [],
    "wrong": [WRONG],
}


class Net:
    """Addresses of this machine (127.0.0.0/8) that no other run uses."""

    def __init__(self):
        self.base = f"127.{random.randrange(16, 250)}.{random.randrange(1, 250)}"

    def host(self, number):
        return f"{self.base}.{number}"

    def hosts(self, numbers):
        return [self.host(number) for number in numbers]


def name_of(load):
    return f"{load}.servers.example"


def cluster_by_name(cluster, net, stub, rooms):
    """Three servers at one port, and for each room a gateway that finds the first two by a name of its own."""
    port = free_port()
    for number in (1, 2, 3):
        cluster.add_server(net.host(number), listen=f", max_connection_age: {AGE}s", port=port, rooms=rooms,
                           argv=["--allow_plaintext_grpc"])
    for room in rooms:
        stub.zone[name_of(room)] = net.hosts((1, 2))
        cluster.add_gateway(f"dns:///{name_of(room)}.:{port}", prefix=resolve_by(stub, cluster.folder),
                            argv=["--allow_plaintext_grpc"])
    return {room: http_load(cluster, room=room, http=gateway.address)
            for room, gateway in zip(rooms, cluster.gateways)}


def await_third(cluster, rooms, begin, patience):
    """Seconds from `begin` until the third server has signed for each room; None for those for which it has not in
    time."""
    took = dict.fromkeys(rooms)
    while None in took.values() and time.monotonic() < begin + patience:
        for room in rooms:
            if took[room] is None and cluster.servers[2].tokens(caller=room) > 0:
                took[room] = time.monotonic() - begin
        time.sleep(0.05)
    return took


@scenario("t9", "a third server is added to the name in DNS: it is used within max age + 6 s")
def scale_out(folder):
    need_namespaces("a DNS server for some programs only")
    result = Result()
    net = Net()
    with DnsStub(net.host(53)) as stub, Cluster(folder) as cluster:
        how = cluster_by_name(cluster, net, stub, ["http"])
        cluster.start()
        quiet = control(**how)
        with loads(**how) as running:
            # The worst moment is right after the name has been resolved.
            asked = stub.asked[name_of("http")]
            await_that(lambda: stub.asked[name_of("http")] > asked, "name resolved again")
            time.sleep(0.1)
            result.check("the third is not used before", cluster.servers[2].tokens() == 0)
            stub.zone[name_of("http")] = net.hosts((1, 2, 3))
            bound = AGE + 6
            took = await_third(cluster, ["http"], time.monotonic(), bound + 6)["http"]
            result.none_failed(quiet, running.stop())
        result.figure("used_after_s", took)
        result.check(f"used within {bound} s; after {took and round(took, 2)} s", took is not None and took <= bound)
    return result


@scenario("p9", f"DNS fails for {FAULT} s (NXDOMAIN, SERVFAIL, 5 s late, empty, wrong address)")
def dns_faults(folder):
    need_namespaces("a DNS server for some programs only")
    result = Result()
    net = Net()
    with DnsStub(net.host(53)) as stub, Cluster(folder) as cluster:
        how = cluster_by_name(cluster, net, stub, list(FAULTS))
        for flags in how.values():
            flags["rate"] = 80
        cluster.start()
        quiet = control(**how)
        with loads(**how) as running:
            await_that(lambda: all(server.tokens() for server in cluster.servers[:2]), "both servers in use")
            asked = dict(stub.asked)
            for room, fault in FAULTS.items():
                if isinstance(fault, list):
                    stub.zone[name_of(room)] = net.hosts(fault)
                else:
                    stub.faults[name_of(room)] = fault
            time.sleep(FAULT)
            during = dict(stub.asked)
            # From now on the third server is in the answers too, by whose use we see that names are resolved again.
            stub.faults.clear()
            healed = time.monotonic()
            for room in FAULTS:
                stub.zone[name_of(room)] = net.hosts((1, 2, 3))
            bound = DNS_MIN + 2
            took = await_third(cluster, FAULTS, healed, bound + 3)
            reports = running.stop()
    result.add(quiet, reports)
    for room, report in reports.items():
        name = name_of(room)
        questions = during.get(name, 0) - asked.get(name, 0)
        result.check(f"{room}: the name was resolved while DNS failed, {questions} questions", questions > 0)
        result.figure(f"{room}_recovery_s", took[room])
        result.check(f"{room}: recovery within {bound} s; after {took[room] and round(took[room], 2)} s",
                     took[room] is not None and took[room] <= bound)
        if room != "wrong":
            result.at_most(room, report, 0)
            continue
        # That DNS says nobody else is there is no failure of DNS that anybody could notice.
        others = {name for name in report.outcomes if name not in ("201", "503")}
        result.check(f"wrong: tokens or 503 with Retry-After ({report.outcomes_text})", not others)
        late = report.failed_between(healed + bound)
        result.check(f"wrong: none fails later than {bound} s after DNS is right; {late} did", late == 0)
    return result
