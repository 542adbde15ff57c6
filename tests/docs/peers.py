#!/usr/bin/env python3
"""peers.py ROOT PEERS: each mechanism that any other token offers has a row here, or stands in
spec/mechanisms/left-out with the reason; and no name there has a row."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools'))
from mechanisms_page import left_out  # noqa: E402


def offered(text):
    """offered is the union of the lists, a line each: `WHO`: NAME, NAME."""
    section = re.search(r'^## All mechanisms.*?(?=^## )', text, re.M | re.S)[0]
    return {name for names in re.findall(r'^- `\w+`: (.*)$', section, re.M) for name in names.split(', ')}


def rows(root):
    files = glob.glob(f'{root}/spec/mechanisms/*.def')
    return {name for f in files for name in re.findall(r'^MECH\((\w+),', open(f, encoding='utf-8').read(), re.M)}


def main():
    root, peers = sys.argv[1:]
    if not os.path.exists(peers):
        print(f'no list of other tokens in {peers}')
        return 77
    union, ours, reasons = offered(open(peers, encoding='utf-8').read()), rows(root), left_out(root)
    left = {name: why for why, names in reasons for name in names}
    for why, names in reasons:
        print(f'{len(names)} left out: {why}')
    print(f'{len(union)} offered by others: {len(union & ours)} have a row, {len(union & set(left))} are left out; '
          f'{len(ours - union)} rows that no other has')
    wrong = [f'{name}: neither a row nor a reason' for name in sorted(union - ours - set(left))]
    wrong += [f'{name}: left out, and has a row' for name in sorted(ours & set(left))]
    wrong += [f'{name}: left out, and nobody offers it' for name in sorted(set(left) - union)]
    print(*wrong, sep='\n')
    return 1 if wrong else 0


sys.exit(main())
