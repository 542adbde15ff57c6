#!/usr/bin/env python3
"""mechanisms_page.py ROOT: prints docs/mechanisms.md, from the rows of spec/mechanisms, the cases of
other people's vectors that tests/vectors/run.py counted (tests/vectors/coverage.txt), and the
project's own tests. With --check: says what of the page is not so any more."""
import collections
import glob
import os
import re
import sys

COVERAGE = 'tests/vectors/coverage.txt'
PAGE = 'docs/mechanisms.md'
SOURCES = {'wycheproof': 'Wycheproof', 'acvp': 'ACVP', 'cavp': 'CAVP', 'pyca': 'python-cryptography',
           'stateful': 'ACVP and RFC 8554'}
FEW = 3  # so many files of a source are named
OWN = [('unit', '.c', r'\bCKM_(\w+)'), ('pkcs11', '.py', r"'([A-Z0-9_]+)'")]

OPS = {
    'E': 'encrypt', 'D': 'decrypt', 'H': 'digest', 'S': 'sign', 'SR': 'sign-recover', 'V': 'verify',
    'VR': 'verify-recover', 'G': 'generate', 'GP': 'generate pair', 'W': 'wrap', 'U': 'unwrap',
    'X': 'derive', 'EN': 'encapsulate', 'DE': 'decapsulate',
}
ASYMMETRIC = {'RSA', 'DSA', 'DH', 'X9_42_DH', 'EC', 'EC_EDWARDS', 'EC_MONTGOMERY'}  # sizes in bits

HEAD = """# Mechanisms

Made by `python3 -B tools/mechanisms_page.py . > docs/mechanisms.md` from `spec/mechanisms`; the test
`mechanisms_page` says when it is no longer so. *Vectors* are cases that passed through the PKCS#11
module against a real vault (`tests/vectors/run.py`); a file that asks through another mechanism counts
for that one. Where none is, the tests of `tests/unit` and `tests/pkcs11` stand that name the mechanism:
known answers of the standards, a second implementation's answers (`tests/pkcs11/second.py`), and what
must be refused. Legacy mechanisms are a partition's policy, approved ones are allowed in approved mode.
Sizes are as `C_GetMechanismInfo` tells them. What others offer and Holdfast does not stands
[at the end](#left-out).

Data may be of any length, in one call or in parts. But what must be seen whole before any of it may be given
out, or changed, is gathered in the vault's protected memory, 64 MiB with its tag at most: decryption with
AES-GCM and ChaCha20-Poly1305, and both ways with AES-CCM, AES-CTS and key wraps. Longer data are refused
(`CKR_DATA_LEN_RANGE`), though AES-GCM encrypts them. Of more than 32 MiB in one call, decryption that takes off
padding wants room for as much as it is given.
"""


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def families():
    """families yields each file of rows: its name, its first comment, its mechanisms."""
    for file in re.findall(r'#include "(\w+)\.def"', read('spec/mechanisms/all.def')):
        text = read(f'spec/mechanisms/{file}.def')
        comment = re.match(r'\s*/\*\s*(.*?)\s*\*/', text, re.S)
        rows = re.findall(r'^MECH\((.*)\)$', text, re.M)
        yield file, ' '.join(comment[1].replace('*', '').split()), [fields(r) for r in rows]


def fields(row):
    name, ops, key, alt, least, most, _, _, flags = [f.strip() for f in row.split(',')]
    return {'name': name, 'ops': [OPS[o.strip()] for o in ops.split('|')], 'key': key, 'alt': alt,
            'min': int(least), 'max': int(most), 'flags': {f.strip() for f in flags.split('|')}}


def coverage():
    """coverage maps mechanism to source to file to cases."""
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    for line in read(COVERAGE).splitlines():
        mech, source, file, n = line.split(' ')
        found[mech][source][file] = int(n)
    return found


def own_tests():
    """own_tests maps a mechanism to the project's tests that name it."""
    found = collections.defaultdict(set)
    for folder, ending, pattern in OWN:
        for path in glob.glob(os.path.join(ROOT, 'tests', folder, '*' + ending)):
            with open(path, encoding='utf-8') as f:
                for name in set(re.findall(pattern, f.read())):
                    found[name].add(f'{folder}/{os.path.basename(path)[:-len(ending)]}')
    return found


def left_out(root):
    """left_out yields (reason, names) of spec/mechanisms/left-out."""
    found = []
    with open(os.path.join(root, 'spec/mechanisms/left-out'), encoding='utf-8') as f:
        for line in f:
            if line.startswith('reason '):
                found.append((line.split(' ', 1)[1].strip(), []))
            elif found:
                found[-1][1].extend(line.split())
    return found


def sizes(m):
    if m['max'] == 0 or m['key'] == 'NONE':
        return ''
    unit = 'bits' if m['key'] in ASYMMETRIC else 'bytes'
    return f'{m["min"]} {unit}' if m['min'] == m['max'] else f'{m["min"]} to {m["max"]} {unit}'


def standing(m):
    return 'approved' if 'APPROVED' in m['flags'] else 'legacy' if 'LEGACY' in m['flags'] else ''


def counted(n, what):
    return f'{n} {what}' if n == 1 else f'{n} {what}s'


def vectors(of_mech):
    told = []
    for source, files in sorted(of_mech.items()):
        names = [os.path.basename(f) for f in sorted(files)]
        where = ', '.join(names) if len(names) <= FEW else counted(len(names), 'file')
        told.append(f'{SOURCES[source]}: {counted(sum(files.values()), "case")} ({where})')
    return '; '.join(told)


def table(rows, covered, own):
    yield '| mechanism | functions | key | size | standing | vectors |'
    yield '| --- | --- | --- | --- | --- | --- |'
    for m in rows:
        key = ', '.join(k for k in (m['key'], m['alt']) if k != 'NONE')
        cells = [m['name'], ', '.join(m['ops']), key, sizes(m), standing(m),
                 vectors(covered[m['name']]) or ', '.join(sorted(own[m['name']]))]
        yield '| ' + ' | '.join(cells) + ' |'


def summary(found, covered, own):
    every = [m for _, _, rows in found for m in rows]
    cases = sum(n for m in every for files in covered[m['name']].values() for n in files.values())
    by = collections.Counter(standing(m) for m in every)
    yield f'**{len(every)} mechanisms**: {by["approved"]} approved, {by["legacy"]} legacy. By mechanism ' \
          f'{cases} cases of vectors that nobody here wrote pass.'
    yield ''
    yield '| family | mechanisms | vectors | own tests only |'
    yield '| --- | --- | --- | --- |'
    for file, _, rows in found:
        tested = [bool(covered[m['name']]) for m in rows]
        alone = [not covered[m['name']] and bool(own[m['name']]) for m in rows]
        yield f'| [{file}](#{file}) | {len(rows)} | {sum(tested)} | {sum(alone)} |'


def page():
    found, covered, own = list(families()), coverage(), own_tests()
    lines = [HEAD, *summary(found, covered, own)]
    for file, comment, rows in found:
        lines += ['', f'## {file}', '', comment, '', *table(rows, covered, own)]
    lines += ['', '## Left out', '', *(f'- {why}: {", ".join(names)}' for why, names in left_out(ROOT))]
    return '\n'.join(lines) + '\n'


def untested():
    covered, own = coverage(), own_tests()
    return [m['name'] for _, _, rows in families() for m in rows if not covered[m['name']] and not own[m['name']]]


def check():
    for name in untested():
        print(f'{name}: no vectors and no test that names it')
    if read(PAGE) == page():
        return 1 if untested() else 0
    print(f'{PAGE} is not current: python3 -B tools/mechanisms_page.py . > {PAGE}')
    return 1


if __name__ == '__main__':
    ROOT = sys.argv[1]
    if '--check' in sys.argv[2:]:
        sys.exit(check())
    sys.stdout.write(page())
