#!/usr/bin/env python3
"""Prints the table of `./dev bench` from Google Benchmark's JSON. Usage: ratios.py FILE...

Times are medians over the repetitions. Ratios are to one HMAC() one-shot call over 350 bytes in the same run, since
times do not carry over from machine to machine.
"""
import json
import statistics
import sys

UNIT = "HmacOneShot350"
ORDER = [UNIT, "SignSmall", "SignLarge", "VerifySmall", "VerifyLarge", "ReadBodySmall", "ReadBodyLarge"]
REACH = {"SignSmall": 0.35, "SignLarge": 4.0}
TO_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def medians(report):
    times = {}
    for run in report["benchmarks"]:
        if run.get("run_type", "iteration") != "iteration":
            continue
        if run.get("error_occurred"):
            raise SystemExit(f"bench: {run['name']} failed: {run.get('error_message', '')}")
        name = run["run_name"].split("/")[0].removeprefix("BM_")
        times.setdefault(name, []).append(run["cpu_time"] * TO_NANOSECONDS[run["time_unit"]])
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    times = {}
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            times.update(medians(json.load(file)))
    missing = [name for name in ORDER if name not in times]
    if missing:
        raise SystemExit(f"bench: no result for {', '.join(missing)}")
    print("| benchmark | time (ns) | ratio to HMAC() | reach |")
    print("|---|---:|---:|---|")
    # The runs come in random order.
    for name in ORDER + sorted(times.keys() - set(ORDER)):
        time = times[name]
        ratio = time / times[UNIT]
        reach = ""
        if name in REACH:
            reach = f"at most {REACH[name]:g}: {'yes' if ratio <= REACH[name] else 'NO'}"
        print(f"| {name} | {time:.0f} | {ratio:.2f} | {reach} |")


if __name__ == "__main__":
    main()
