#!/usr/bin/env python3
"""run.py BUILD VECTORS wycheproof|acvp|cavp|pyca|stateful [FILE-PREFIX]: every file through the PKCS#11 module
against a real vault of its own. A valid test must give the vector's answer, an invalid one must be
refused, an acceptable one may be either. The closing line counts; skips say why. With
HOLDFAST_COVERAGE=FILE the cases that passed are appended there by mechanism and file."""
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile

BUILD, VECTORS, SOURCE = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3]
PREFIX = sys.argv[4] if len(sys.argv) > 4 else ''
for folder in ('.', '../support'):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))

import acvp  # noqa: E402
import cavp  # noqa: E402
import pyca  # noqa: E402
import stateful  # noqa: E402
from p11 import NoNumber, Refused, Token  # noqa: E402
from wycheproof import Skip, Wrong, kind_of  # noqa: E402


class Report:
    """Report counts what happened, and prints what was wrong."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, collections.Counter()
        self.asked, self.covered = set(), collections.Counter()

    def watch(self, token):
        """watch notes the mechanisms that each test asks the token for."""
        of_token = token.mechanism

        def mechanism(name, params=None):
            self.asked.add(name)
            return of_token(name, params)
        token.mechanism = mechanism

    def take(self, file, test, outcome):
        if isinstance(outcome, Skip):
            self.skipped[str(outcome)] += 1
        elif right(test['result'], outcome):
            self.passed += 1
            self.covered.update((name, file) for name in self.asked)
        else:
            self.failed += 1
            print(f'{file} {test["tcId"]} ({test["result"]}; {test.get("comment", "")}; '
                  f'{",".join(test.get("flags", []))}): {outcome or "accepted"}')
        self.asked.clear()

    def write_coverage(self, path):
        with open(path, 'a', encoding='utf-8') as f:
            f.writelines(f'{name} {SOURCE} {file} {n}\n' for (name, file), n in sorted(self.covered.items()))

    def close(self):
        if 'HOLDFAST_COVERAGE' in os.environ:
            self.write_coverage(os.environ['HOLDFAST_COVERAGE'])
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


def outcome_of(function, *args):
    """outcome_of returns what was raised, or what the function returns."""
    try:
        return function(*args)
    except (Refused, Wrong, Skip) as e:
        return e
    except NoNumber as e:
        return Skip(str(e))


# --- Wycheproof ---------------------------------------------------------------------------------


def ask_with_key(token, kind, group, test):
    key = kind.key(token, group, test)
    try:
        kind.ask(token, group, test, key)
    finally:
        if key is not None:
            token.destroy(key)


def run_group(token, kind, file, group, report):
    if not kind.per_group:
        for test in group['tests']:
            report.take(file, test, outcome_of(ask_with_key, token, kind, group, test))
        return
    key = outcome_of(kind.key, token, group, None)
    for test in group['tests']:
        made = not isinstance(key, Exception)
        report.take(file, test, outcome_of(kind.ask, token, group, test, key) if made else key)
    if made:
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


def run_wycheproof(token, report):
    for path in sorted(glob.glob(f'{VECTORS}/wycheproof/testvectors_v1/{PREFIX}*.json')):
        run_file(token, path, report)


# --- NIST ---------------------------------------------------------------------------------------


def run_nist(token, source, report):
    for file, kind, group, test in source.cases(pyca.folder() if source is pyca else VECTORS):
        if file.startswith(PREFIX):
            test['result'] = source.result(test)
            report.take(file, test, outcome_of(source.ask, token, kind, group, test))


def main():
    if SOURCE == 'pyca' and pyca.folder() is None:
        print('no python3-cryptography-vectors here')
        return 77
    if SOURCE != 'pyca' and not os.path.isdir(f'{VECTORS}/wycheproof'):
        print(f'no vectors in {VECTORS}')
        return 77
    report = Report()
    with tempfile.TemporaryDirectory(prefix='holdfast-vectors-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            token = Token(f'{BUILD}/libholdfast-pkcs11.so')
            report.watch(token)
            if SOURCE == 'wycheproof':
                run_wycheproof(token, report)
            else:
                run_nist(token, {'acvp': acvp, 'cavp': cavp, 'pyca': pyca, 'stateful': stateful}[SOURCE], report)
        finally:
            subprocess.run([f'{BUILD}/holdfast', 'stop'], check=False)
    return report.close()


sys.exit(main())
