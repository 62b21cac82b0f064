#!/usr/bin/env python3
"""Writes the cases of tests/data/http_corpus.json as seeds of framer_fuzzer: framer_seeds.py FOLDER

tests/fuzz/corpus/framer has those of them that reach code no other reaches:
  framer_seeds.py SEEDS; bin/framer_fuzzer -merge=1 MERGED SEEDS; framer_seeds.py SEEDS MERGED
The last step gives the files in MERGED their cases' names again.
"""

import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import http_corpus

MAX_BYTES = 4096


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for case in http_corpus.cases():
        name = re.sub(r"[^a-z0-9]+", "_", case["name"].lower()).strip("_")
        # The last byte chooses the fuzzer's limits: "0" those of the gateway, the others smaller ones.
        for limits in "0123":
            seed = case["bytes"] + limits.encode()
            if len(seed) <= MAX_BYTES:
                names[seed] = f"{name}_{limits}"
                (folder / names[seed]).write_bytes(seed)
    for merged in pathlib.Path(sys.argv[2]).iterdir() if len(sys.argv) > 2 else []:
        if merged.read_bytes() in names:
            merged.rename(merged.with_name(names[merged.read_bytes()]))


if __name__ == "__main__":
    main()
