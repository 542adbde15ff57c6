#!/usr/bin/env python3
"""audit_long.py BUILD: a long audit log, signed in earnest, and what 'audit verify' finds of it: whole, with a
flipped bit, without a record, with two in each other's place, without its end. The environment's
HOLDFAST_AUDIT_RECORDS says how many records (30000); 1000000 takes a minute."""
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
RECORDS = int(os.environ.get('HOLDFAST_AUDIT_RECORDS', 30000))
VERIFY_KIB = 64 * 1024  # the log is far larger where it is long


class Log:
    def __init__(self, d):
        segment = str(max(1 << 20, RECORDS * 60))
        r = subprocess.run([f'{BUILD}/tests/e2e/audit_writer', d, str(RECORDS), segment], check=True,
                           capture_output=True, text=True)
        self.told, self.dir = json.loads(r.stdout), f'{d}/audit'
        self.segments = sorted(os.listdir(self.dir))
        self.size = sum(os.path.getsize(f'{self.dir}/{s}') for s in self.segments)

    def verify(self, *args):
        """verify returns what it says, and its seconds."""
        began = time.monotonic()
        r = subprocess.run([f'{BUILD}/holdfast', 'audit', 'verify', '--json', '--audit-key', self.told['key'],
                            *args, self.dir], capture_output=True, text=True)
        told = json.loads(r.stdout)
        assert (r.returncode == 0) == told['intact'], r.stderr
        return told, time.monotonic() - began

    def place(self, seq):
        """place: path, offset and length of a record with its frame."""
        name = max(s for s in self.segments if int(s.split('.')[0]) <= seq)
        with open(f'{self.dir}/{name}', 'rb') as f:
            at = 0
            while True:
                n, number = struct.unpack('>IQ', f.read(12))
                if number == seq:
                    return f'{self.dir}/{name}', at, n + 16
                at += n + 16
                f.seek(at)

    def damaged(self, seq, change, *args):
        """damaged has change(data, at, n) alter the segment of a record, and verify look for it."""
        path, at, n = self.place(seq)
        with open(path, 'rb') as f:
            whole = f.read()
        data = bytearray(whole)
        change(data, at, n)
        with open(path, 'wb') as f:
            f.write(data)
        told, _ = self.verify(*args)
        with open(path, 'wb') as f:
            f.write(whole)
        assert not told['intact']
        return told['bad']


def flip(data, at, n):
    data[at + n // 2] ^= 1


def delete(data, at, n):
    del data[at:at + n]


def swap(data, at, n):
    m = struct.unpack('>I', data[at + n:at + n + 4])[0] + 16
    data[at:at + n + m] = data[at + n:at + n + m] + data[at:at + n]


def cut(data, at, n):
    del data[at:]


def main():
    d = tempfile.mkdtemp(prefix='holdfast-audit-')
    try:
        log = Log(d)
        told, seconds = log.verify('--last', f'{log.told["last"]}:{log.told["hash"]}')
        assert told['intact'] and told['stopped'] and told['records'] == log.told['last'], told
        print(f'{told["records"]} records, {log.size / 1e6:.0f} MB in {len(log.segments)} files: written in '
              f'{log.told["seconds"]:.1f} s, verified in {seconds:.1f} s, {told["records"] / seconds:.0f} a second')
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert peak < VERIFY_KIB, f'{peak} KiB'
        k = RECORDS // 2
        for name, change, bad in (('a flipped bit', flip, k), ('a deleted record', delete, k),
                                  ('a swapped pair', swap, k)):
            assert log.damaged(k, change) == bad, name
            print(f'{name} of record {k}: found at {bad}')
        last = log.told['last']
        bad = log.damaged(last - 3, cut, '--last', f'{last}:{log.told["hash"]}')
        assert bad == last - 3, bad
        print(f'a cut tail: record {bad} is missing')
    finally:
        shutil.rmtree(d)


if __name__ == '__main__':
    main()
