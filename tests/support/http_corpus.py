"""The requests of tests/data/http_corpus.json, for tests that are written in Python."""

import json
import pathlib

FILE = pathlib.Path(__file__).resolve().parents[1] / "data/http_corpus.json"


def cases():
    """Each case as in the file, with `bytes` as bytes."""
    for case in json.loads(FILE.read_text(encoding="utf-8"))["cases"]:
        yield {**case, "bytes": b"".join(map(piece_bytes, case["bytes"]))}


def piece_bytes(piece):
    """A text, or one that is repeated."""
    if isinstance(piece, str):
        return piece.encode("latin-1")
    return piece["repeat"].encode("latin-1") * piece["times"]
