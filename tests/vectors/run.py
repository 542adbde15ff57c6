#!/usr/bin/env python3
"""run.py BUILD VECTORS [FILE-PREFIX]: every Wycheproof file through the PKCS#11 module against
a real vault of its own. A valid test must give the vector's answer, an invalid one must be
refused, an acceptable one may be either. The closing line counts; skips say why."""
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile

BUILD, VECTORS = os.path.abspath(sys.argv[1]), sys.argv[2]
PREFIX = sys.argv[3] if len(sys.argv) > 3 else ''
for folder in ('.', '../support'):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))

from p11 import NoNumber, Refused, Token  # noqa: E402
from wycheproof import Skip, Wrong, kind_of  # noqa: E402


class Report:
    """Report counts what happened, and prints what was wrong."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, collections.Counter()

    def take(self, file, test, outcome):
        if isinstance(outcome, Skip):
            self.skipped[str(outcome)] += 1
        elif right(test['result'], outcome):
            self.passed += 1
        else:
            self.failed += 1
            print(f'{file} {test["tcId"]} ({test["result"]}; {test.get("comment", "")}; '
                  f'{",".join(test.get("flags", []))}): {outcome or "accepted"}')

    def close(self):
        for why, n in self.skipped.most_common():
            print(f'skipped {n}: {why}')
        print(f'{self.passed + self.failed} run, {self.passed} passed, {self.failed} failed, '
              f'{sum(self.skipped.values())} skipped')
        return 1 if self.failed or not self.passed else 0


def right(result, outcome):
    """right: outcome is None (the answer of the vector), Refused, or Wrong."""
    if result == 'valid':
        return outcome is None
    if result == 'invalid':
        return outcome is not None
    return not isinstance(outcome, Wrong)


def ask(token, kind, group, test, key):
    try:
        if kind.per_group:
            if isinstance(key, Refused):
                raise key
            kind.ask(token, group, test, key)
        else:
            key = kind.key(token, group, test)
            try:
                kind.ask(token, group, test, key)
            finally:
                if key is not None:
                    token.destroy(key)
    except (Refused, Wrong, Skip) as e:
        return e
    except NoNumber as e:
        return Skip(str(e))
    return None


def run_group(token, kind, file, group, report):
    key = None
    if kind.per_group:
        try:
            key = kind.key(token, group, None)
        except Refused as e:
            key = e
    for test in group['tests']:
        report.take(file, test, ask(token, kind, group, test, key))
    if kind.per_group and not isinstance(key, Refused):
        token.destroy(key)


def run_file(token, path, report):
    file = os.path.basename(path)
    data = json.load(open(path, encoding='utf-8'))
    kind = kind_of(file)
    if kind is None or not token.has(kind.mech):
        report.skipped[f'{data["algorithm"]} is no mechanism of this token'] += data['numberOfTests']
        return
    before = report.passed
    for group in data['testGroups']:
        group.setdefault('algorithm', data['algorithm'])
        run_group(token, kind, file, group, report)
    print(f'{file}: {report.passed - before} of {data["numberOfTests"]} passed')


def main():
    files = sorted(glob.glob(f'{VECTORS}/wycheproof/testvectors_v1/{PREFIX}*.json'))
    if not files:
        print(f'no vectors in {VECTORS}')
        return 77
    report = Report()
    with tempfile.TemporaryDirectory(prefix='holdfast-vectors-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            token = Token(f'{BUILD}/libholdfast-pkcs11.so')
            for path in files:
                run_file(token, path, report)
        finally:
            subprocess.run([f'{BUILD}/holdfast', 'stop'], check=False)
    return report.close()


sys.exit(main())
