"""Markdown of the measurements, and whether they reach what was planned."""

import statistics


def median(values):
    return statistics.median(values) if values else None


class Results:
    """Samples by cell and server, one for each round."""

    def __init__(self):
        self.samples = {}

    def add(self, cell, server, sample):
        self.samples.setdefault((cell.name, server), []).append(sample)

    def of(self, cell, server):
        return self.samples.get((cell, server), [])

    def median(self, cell, server, field):
        return median([getattr(sample, field) for sample in self.of(cell, server)])

    def ratio(self, cell, server, other, field, other_cell=None):
        """Median over the rounds of the ratio within each; None if one of the two was not measured."""
        pairs = zip(self.of(cell, server), self.of(other_cell or cell, other))
        return median([getattr(a, field) / getattr(b, field) for a, b in pairs if getattr(b, field)])

    def errors(self, cell, server):
        total = {}
        for sample in self.of(cell, server):
            for name, count in sample.errors.items():
                total[name] = total.get(name, 0) + count
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in total.items())


def number(value, digits=2):
    if value is None:
        return ""
    return "no answer" if value == float("inf") else f"{value:,.{digits}f}"


def row(*columns):
    return "| " + " | ".join(str(column) for column in columns) + " |"


def milliseconds(microseconds):
    return number(microseconds / 1000, 2)


def results_table(results, cells, titles, missing):
    """`titles` of the servers that were measured, `missing` those that were not, with the reason."""
    lines = [
        row("work", "server", "requests/s", "range", "p50 ms", "p99 ms", "CPU µs/request", "× Go", "CPU × Go",
            "CPU × nginx", "× Node", "errors"),
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for cell in cells:
        for index, (server, title) in enumerate(titles.items()):
            samples = results.of(cell.name, server)
            if not samples:
                continue
            errors = results.errors(cell.name, server)
            rates = [sample.per_second for sample in samples]
            lines.append(row(
                cell.title if index == 0 else "",
                title,
                number(median(rates), 0),
                f"{min(rates):,.0f} to {max(rates):,.0f}" if len(rates) > 1 else "",
                milliseconds(results.median(cell.name, server, "p50")),
                milliseconds(results.median(cell.name, server, "p99")),
                number(results.median(cell.name, server, "cpu"), 1),
                number(results.ratio(cell.name, server, "go", "per_second")),
                number(results.ratio(cell.name, server, "go", "cpu")),
                number(results.ratio(cell.name, server, "nginx", "cpu")),
                number(results.ratio(cell.name, server, "node", "per_second"), 1),
                f"**{errors}**" if errors else "0",
            ))
    for title, reason in missing.items():
        lines.append(row("all", title, reason, *[""] * 9))
    return lines


def summary(results, cells, titles):
    """Requests per second of every server in every cell, and CPU per request."""
    lines = [row("requests/s (CPU µs/request)", *(cell.title for cell in cells)), "|---" + "|---:" * len(cells) + "|"]
    for server, title in titles.items():
        columns = []
        for cell in cells:
            rate, cpu = (results.median(cell.name, server, field) for field in ("per_second", "cpu"))
            columns.append("" if rate is None else f"{rate:,.0f} ({cpu:,.0f})")
        lines.append(row(title, *columns))
    return lines


class Reach:
    """A row of the table of reaches."""

    def __init__(self, work, what, figure, goal, floor=None, at_most=False, unit="", digits=2):
        self.work = work
        self.what = what
        self.figure = figure
        self.goal = goal
        self.floor = floor
        self.at_most = at_most
        self.unit = unit
        self.digits = digits

    def _met(self, bound):
        return self.figure <= bound if self.at_most else self.figure >= bound

    def verdict(self):
        if self.figure is None:
            return "not measured"
        if self._met(self.goal):
            return "yes"
        if self.floor is None:
            return "NO"
        return "no, but the floor" if self._met(self.floor) else "NO, not even the floor"

    def line(self):
        word = "at most" if self.at_most else "at least"
        goal = f"{word} {self.goal:g}{self.unit}" + (f" (floor {self.floor:g})" if self.floor is not None else "")
        figure = "" if self.figure is None else number(self.figure, self.digits) + self.unit
        return row(self.work, self.what, goal, figure, self.verdict())


REACH_HEAD = [row("work", "figure", "reach", "measured", "reached"), "|---|---|---|---:|---|"]


def http_reaches(results):
    ratio = results.ratio
    p99 = results.median("small-new", "standalone", "p99")
    keep, dispatch, new = "small-64", "dispatch-64", "small-new"
    return [
        Reach("standalone, small, 64", "requests/s × Go", ratio(keep, "standalone", "go", "per_second"), 2.0, 1.25),
        Reach("", "CPU per request × Go", ratio(keep, "standalone", "go", "cpu"), 0.5, at_most=True),
        Reach("", "requests/s × Node", ratio(keep, "standalone", "node", "per_second"), 15, digits=1),
        Reach("", "CPU per request × nginx", ratio(keep, "standalone", "nginx", "cpu"), 2.5, 3, at_most=True),
        Reach("standalone, dispatch, 64", "requests/s × Go", ratio(dispatch, "standalone", "go", "per_second"), 1.7,
              1.25),
        Reach("standalone, small, 512", "requests/s × its own with 64",
              ratio("small-512", "standalone", "standalone", "per_second", keep), 0.9),
        Reach("two processes, TCP, small, 64", "requests/s × Go and grpc-go",
              ratio(keep, "tcp", "go-grpc", "per_second"), 1.7, 1.25),
        Reach("", "p99 × Go and grpc-go", ratio(keep, "tcp", "go-grpc", "p99"), 1.0, at_most=True),
        Reach("new connection per request, 32", "requests/s × Go", ratio(new, "standalone", "go", "per_second"), 1.5,
              1.25),
        Reach("", "p99", None if p99 is None else p99 / 1000, 10, at_most=True, unit=" ms"),
        Reach("standalone, small, 64, cached JWT", "CPU per request × anonymous",
              ratio("small-jwt-64", "standalone", "standalone", "cpu", keep), 1.3, at_most=True),
    ]
