#!/usr/bin/env python3
"""page.py FIGURES.json: the table of docs/performance.md, from what run.py --json wrote."""
import json
import sys

from run import program

TARGETS = [  # (work, threads, against, at least)
    *((w, 2, 'openssl', least) for w, least in (
        ('rsa2048-sign', 0.90), ('rsa4096-sign', 0.90), ('p256-sign', 0.80), ('p384-sign', 0.80),
        ('ed25519-sign', 0.80), ('mldsa65-sign', 0.90))),
    *((w, 1, 'openssl', least) for w, least in (
        ('rsa2048-sign', 0.95), ('rsa4096-sign', 0.95), ('p256-sign', 0.85), ('p384-sign', 0.85),
        ('ed25519-sign', 0.85), ('mldsa65-sign', 0.95))),
    ('p256-sign', 1, 'softhsm', 3.0), ('p256-sign', 2, 'softhsm', 3.0),
    *((w, n, 'softhsm', least) for w in ('hmac-32', 'aes-gcm-16', 'aes-gcm-1k')
      for n, least in ((1, 1.5), (2, 1.0))),
    ('aes-gcm-16k', 1, 'openssl', 0.7), ('aes-gcm-1m', 1, 'openssl', 0.7),
    *((w, n, 'softhsm', 1.0) for w in ('p256-verify', 'rsa2048-verify', 'sha256-1k', 'random-32')
      for n in (1, 2)),
    *(('p256-generate', n, 'softhsm', least) for n, least in ((1, 10), (8, 20), (64, 50))),
    ('initialize', 1, 'softhsm', 1.0),
]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding='utf-8') as f:
        try:
            rows = {(r['work'], r['threads']): r for r in json.load(f)}
        except (ValueError, TypeError, KeyError):
            sys.exit(f'{sys.argv[1]} is not what run.py --json wrote')
    print('| work | threads | against | at least | measured | ours, a second | p50 µs | p99 µs |')
    print('| --- | --- | --- | --- | --- | --- | --- | --- |')
    for work, threads, other, least in TARGETS:
        row = rows.get((work, threads), {})
        if 'ratio' not in row.get(other, {}):
            continue
        ours, got = row['holdfast'], row[other]['ratio']
        print(f"| {work} | {threads} | {other} | {least:g} | {'**' if got < least else ''}{got:.2f}"
              f"{'**' if got < least else ''} | {ours['per_second']:.0f} | {ours['p50_us']:.1f} | "
              f"{ours['p99_us']:.1f} |")


if __name__ == '__main__':
    program(main)
