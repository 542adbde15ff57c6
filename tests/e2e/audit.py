#!/usr/bin/env python3
"""audit.py BUILD TEST: what somebody finds who has the log's files and the audit key
only. Each test damages a copy of a real log."""
import json
import os
import shutil
import struct
import sys
import zlib

import e2e


class Log:
    """Log is a copy of an instance's audit log, its records in memory."""

    def __init__(self, i, records=30):
        assert i.cli('audit', 'key').returncode == 0
        for _ in range(records):
            i.cli('selftest')
        told = json.loads(i.cli('audit', 'key', '--json').stdout)
        self.key, self.last, self.hash = told['key'], told['last'], told['hash']
        i.stop()
        self.dir = f'{i.home}-copy'
        shutil.copytree(f'{i.home}/data/audit', self.dir)
        self.instance = e2e.Instance(f'{i.home}-none')
        self.file = f'{self.dir}/{1:020}.log'
        self.records = []
        data, at = open(self.file, 'rb').read(), 0
        while at < len(data):
            n, seq = struct.unpack('>IQ', data[at:at + 12])
            assert seq == len(self.records) + 1
            self.records.append(bytearray(data[at:at + 12 + n + 4]))
            at += 12 + n + 4

    def write(self):
        with open(self.file, 'wb') as f:
            f.write(b''.join(self.records))

    def verify(self, *args, key=None):
        r = self.instance.cli('audit', 'verify', '--json', '--audit-key', key or self.key, *args, self.dir)
        assert not os.path.exists(self.instance.home), 'an HSM was started'
        told = json.loads(r.stdout)
        assert (r.returncode == 0) == told['intact'], r.stderr
        return told

    def bad(self, *args):
        self.write()
        told = self.verify(*args)
        assert not told['intact']
        return told['bad']


def seal(record):
    """seal makes the checksum right, as one would who changes a record on purpose."""
    record[-4:] = struct.pack('>I', zlib.crc32(record[12:-4]))


def test_an_untouched_copy_verifies_without_an_hsm(i):
    log = Log(i)
    told = log.verify('--last', str(log.last))
    assert told['intact'] and told['stopped'] and told['records'] == told['last'] == told['last_signed'], told


def test_a_flipped_bit_is_found_at_its_record(i):
    log = Log(i)
    for at in (12, 40, len(log.records[9]) - 5):
        log.records[9][at] ^= 1
        assert log.bad() == 10
        log.records[9][at] ^= 1


def test_a_changed_record_with_a_right_checksum_is_found_behind_it(i):
    log = Log(i)
    log.records[9][60] ^= 1
    seal(log.records[9])
    assert log.bad() in (10, 11)


def test_a_deleted_record_is_found(i):
    log = Log(i)
    del log.records[9]
    assert log.bad() == 10


def test_a_deleted_record_is_found_where_the_rest_is_renumbered(i):
    log = Log(i)
    del log.records[9]
    for n, record in enumerate(log.records[9:]):
        record[4:12] = struct.pack('>Q', 10 + n)
    assert log.bad() == 10


def test_a_swapped_pair_is_found(i):
    log = Log(i)
    log.records[9], log.records[10] = log.records[10], log.records[9]
    assert log.bad() == 10


def test_a_beginning_that_is_missing_is_found(i):
    log = Log(i)
    del log.records[0]
    assert log.bad() == 1


def test_a_cut_tail_is_found(i):
    log = Log(i)
    del log.records[20:]
    assert log.bad('--last', str(log.last)) == 21
    assert not log.verify()['stopped']
    log.records[-1] = log.records[-1][:-7]
    assert log.bad() == 20


def test_the_hash_of_the_end_names_another_history(i):
    log = Log(i)
    assert log.verify('--last', f'{log.last}:{log.hash}')['intact']
    told = log.verify('--last', f'{log.last}:{"0" * 64}')
    assert not told['intact'] and told['bad'] == log.last, told


def test_a_tail_cut_while_the_hsm_is_stopped_shows_at_its_start(i):
    log = Log(i)
    del log.records[20:]
    log.write()
    shutil.copy(log.file, f'{i.home}/data/audit/')
    told = json.loads(i.cli('audit', 'show', '--from', '21', '--json').stdout)
    assert told[0]['event'] == 'audit-gap' and 'missing' in told[0]['detail'], told[0]


def test_another_key_verifies_nothing(i):
    log = Log(i, 1)
    told = log.verify(key='00' * 32)
    assert not told['intact'] and told['bad'] == 1


def test_no_log_is_an_error(i):
    log = Log(i, 1)
    os.remove(log.file)
    assert log.verify()['bad'] == 1
    os.rmdir(log.dir)
    r = log.instance.cli('audit', 'verify', '--audit-key', log.key, log.dir)
    assert r.returncode == 1 and log.dir in r.stderr, r.stderr
    assert log.instance.cli('audit', 'verify', log.dir).returncode == 2


def test_an_export_is_a_line_a_record_up_to_the_damage(i):
    log = Log(i, 5)
    r = log.instance.cli('audit', 'export', log.dir)
    assert r.returncode == 0, r.stderr
    assert [json.loads(x)['seq'] for x in r.stdout.splitlines()] == list(range(1, len(log.records) + 1))
    log.records[3][40] ^= 1
    log.write()
    r = log.instance.cli('audit', 'export', '--from', '2', log.dir)
    assert r.returncode == 1 and 'record 3 ' in r.stderr, r.stderr
    assert [json.loads(x)['seq'] for x in r.stdout.splitlines()] == [2, 3]


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
