"""Which metrics and labels an expression of PromQL names. That it is valid at all is for promtool to say."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<range>\[[^\]]*\])
  | (?P<number>(?:0x[0-9a-fA-F]+|[0-9]+(?:ms|[smhdwy])(?:[0-9]+(?:ms|[smhdwy]))*|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?))
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@])
""", re.X)
LABEL_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"} | LABEL_LISTS


class Unreadable(Exception):
    """What cannot be read here, as a sentence."""


@dataclass
class Named:
    """What an expression names."""

    selectors: dict = field(default_factory=dict)  # text of each selector: its metric and labels
    labels: set = field(default_factory=set)       # that it groups or matches by


def tokens(text):
    found, at = [], 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise Unreadable(f"{text[at:at + 20]!r} in {text!r}")
        at = token.end()
        if token.lastgroup != "space":
            found.append((token.lastgroup, token.group()))
    return found


def _until(stream, at, end):
    """The tokens from `at` up to `end`, and where it stands."""
    stop = at
    while stop < len(stream) and stream[stop][1] != end:
        stop += 1
    if stop == len(stream):
        raise Unreadable(f"a list has no end: {stream[at:]}")
    return stream[at:stop], stop


def read(text):
    """The selectors and grouping labels of an expression."""
    stream, named, at = [*tokens(text), ("end", "")], Named(), 0
    while at < len(stream):
        kind, word = stream[at]
        after = stream[at + 1][1] if at + 1 < len(stream) else ""
        if word == "{":
            raise Unreadable(f"a selector without a name in {text!r}")
        if kind != "name":
            at += 1
        elif word in LABEL_LISTS and after == "(":
            listed, at = _until(stream, at + 2, ")")
            named.labels |= {name for kind, name in listed if kind == "name"}
        elif word in WORDS or after in ("(", "by", "without"):
            at += 1
        else:
            matchers, at = _until(stream, at + 2, "}") if after == "{" else ([], at)
            labels = {name for kind, name in matchers if kind == "name"}
            # Matchers and separators only: `{a="b", c!~"d"}`.
            inside = "".join(text for _, text in matchers)
            named.selectors[f"{word}{{{inside}}}"] = (word, labels)
            at += 1
    return named


# Expressions, and the metrics with the labels of their selectors, and the labels of groups.
SAMPLES = [
    ("up", {"up": set()}, set()),
    ("up == 0", {"up": set()}, set()),
    ('a{b="c}", d!~`e{f}`}', {"a": {"b", "d"}}, set()),
    ("sum by (x, y) (rate(a_total[5m])) / on (x) group_left (z) b", {"a_total": set(), "b": set()}, {"x", "y", "z"}),
    ("sum(rate(a[5m])) by (x) > 1e3", {"a": set()}, {"x"}),
    ("rate(a[5m:1m] offset 5m) unless ignoring (x) b @ 100", {"a": set(), "b": set()}, {"x"}),
    ("histogram_quantile(0.99, sum by (le) (rate(a_bucket{b=~\"c\"}[1h]))) or vector(0)", {"a_bucket": {"b"}}, {"le"}),
    ("job:a:rate5m > 14.4 * 0.0005 # and unknown", {"job:a:rate5m": set()}, set()),
    ("time() - a < 2 * 86400", {"a": set()}, set()),
    ("-a + bool_b and by_c", {"a": set(), "bool_b": set(), "by_c": set()}, set()),
    ("count without (x) (a) > bool 2h30m", {"a": set()}, {"x"}),
]
UNREADABLE = ['{__name__="a"}', "sum by (x", 'a{b="c"', "a ~ b", 'a{b="c}']


def check_self():
    """Fails unless the samples are read as they ought to be."""
    for text, metrics, labels in SAMPLES:
        named = read(text)
        if dict(named.selectors.values()) != metrics or named.labels != labels:
            raise Unreadable(f"{text!r} was read as {named}")
    for text in UNREADABLE:
        try:
            named = read(text)
        except Unreadable:
            continue
        raise Unreadable(f"{text!r} was read as {named}")
