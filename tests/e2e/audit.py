#!/usr/bin/env python3
"""audit.py BUILD TEST: what somebody finds who has the log's files and the audit key
only. Each test damages a copy of a real log."""
import json
import os
import select
import shutil
import struct
import subprocess
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


def test_only_the_record_that_was_deleted_is_missed(i):
    log = Log(i)
    for gone in (0, 8):
        was = log.records.pop(gone)
        log.write()
        r = log.instance.cli('audit', 'query', '--json', log.dir)
        assert [json.loads(x)['seq'] for x in r.stdout.splitlines()] == \
            [n for n in range(1, len(log.records) + 2) if n != gone + 1], r.stdout
        assert f'{gone + 1} to {gone + 1} are missing' in r.stderr, r.stderr
        log.records.insert(gone, was)


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


def gone_back(i, damage):
    """gone_back lets `damage` loose on the log's directory of a stopped HSM, and starts it again."""
    d = f'{i.home}/data/audit'
    i.must('init', 'e2e')
    i.stop()
    shutil.copytree(d, f'{i.home}-before')
    i.must('sign', '0.2', '1')
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    i.stop()
    damage(d, f'{i.home}-before')
    assert i.cli('status').returncode == 0
    return d, told


def put_back(d, before):
    for x in os.listdir(d):
        os.remove(f'{d}/{x}')
    shutil.copytree(before, d, dirs_exist_ok=True)


def delete(d, before):
    shutil.rmtree(d)


def test_a_log_that_was_put_back_or_deleted_does_not_verify_and_uses_no_number_again(i):
    for damage in (put_back, delete):
        d, was = gone_back(i, damage)
        r = i.cli('audit', 'verify', '--json', '--audit-key', was['key'], d)
        told = json.loads(r.stdout)
        assert r.returncode == 1 and not told['intact'] and 'why' not in told, r.stdout
        gap, = told['gaps']
        assert gap['at'] == gap['last'] + 1 > was['last'] and gap['first'] <= was['last'], (gap, was)
        if damage is delete:
            assert gap['first'] == 1
        assert f'lost, said at record {gap["at"]}' in r.stderr, r.stderr
        assert 'holdfast_audit_gaps_total 1' in i.cli('metrics').stdout
        assert i.cli('audit', 'show').returncode == 0
        i.stop()
        assert 'holdfast_audit_gaps_total 1' in i.cli('metrics').stdout, 'counted again, or forgotten'
        i.stop()
        shutil.rmtree(i.home)
        shutil.rmtree(f'{i.home}-before')


def test_the_end_of_the_log_is_told_while_it_grows(i):
    i.must('init', 'e2e')
    signer, ends = i.popen('sign', '2', '2'), []
    while signer.poll() is None:
        told = json.loads(i.cli('audit', 'key', '--json').stdout)
        ends.append(told['last'])
        assert told['hash'] != '0' * 64, told
    assert 0 < ends[0] < ends[-1] and ends == sorted(ends), ends


def test_an_open_file_that_is_deleted_or_replaced_is_written_anew_and_on_record(i):
    i.must('init', 'e2e')
    d = f'{i.home}/data/audit'
    os.remove(f'{d}/{1:020}.log')
    i.must('sign', '0.1', '1')
    e2e.wait_for(lambda: 'audit-mended' in i.cli('audit', 'query', '--call', 'audit-mended').stdout)
    with open(f'{d}/new', 'w') as f:
        f.write('mine')
    os.rename(f'{d}/new', f'{d}/{1:020}.log')
    i.must('sign', '0.1', '1')
    e2e.wait_for(lambda: 'holdfast_audit_gaps_total 2' in i.cli('metrics').stdout)
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    i.stop()
    r = i.cli('audit', 'verify', '--audit-key', told['key'], '--last', f'{told["last"]}:{told["hash"]}', d)
    assert r.returncode == 0, r.stderr
    assert open(f'{d}/replaced-{1:020}.log').read() == 'mine'


def test_a_directory_that_is_deleted_under_the_hsm_comes_back(i):
    i.must('init', 'e2e')
    d = f'{i.home}/data/audit'
    shutil.rmtree(d)
    i.must('sign', '0.1', '1')
    e2e.wait_for(lambda: 'holdfast_audit_gaps_total 1' in i.cli('metrics').stdout)
    os.rename(d, f'{i.home}-moved')
    i.must('sign', '0.1', '1')
    e2e.wait_for(lambda: 'holdfast_audit_gaps_total 2' in i.cli('metrics').stdout)
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    i.stop()
    r = i.cli('audit', 'verify', '--audit-key', told['key'], '--last', f'{told["last"]}:{told["hash"]}', d)
    assert r.returncode == 0, r.stderr


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
    assert r.returncode == 1 and 'record 3 ' in r.stderr and 'audit verify' in r.stderr, r.stderr
    assert [json.loads(x)['seq'] for x in r.stdout.splitlines()] == [2, 3]


def lines_of(text):
    return [json.loads(x) for x in text.splitlines()]


def test_a_query_finds_what_matches_in_the_hsm_and_in_files(i):
    i.must('init', 'e2e')
    i.must('sign', '0.2', '1')
    wrong = i.cli('object', 'list', '--pin-file', '/dev/null')
    assert wrong.returncode != 0
    asked = ('--json', '--call', 'sign_init,login', '--partition', 'e2e', '--since', '1h', '--result', 'OK')
    told = lines_of(i.cli('audit', 'query', *asked).stdout)
    assert told and all(r['event'] in ('sign_init', 'login') and r['partition'] == 'e2e' for r in told)
    label = next(r['label'] for r in told if r['event'] == 'sign_init')
    r = lines_of(i.cli('audit', 'query', '--json', '--object', label, '--count', '2').stdout)
    assert len(r) == 2 and all(x['label'] == label for x in r)
    assert i.cli('audit', 'query', '--until', '2001-01-01').stdout == ''
    assert i.cli('audit', 'query', '--since', 'yesterday').returncode == 2
    for option, word in (('call', 'logn'), ('result', 'fine'), ('mechanism', 'RSA_PKC'), ('role', 'boss')):
        r = i.cli('audit', 'query', f'--{option}', word)
        assert r.returncode == 2 and word in r.stderr and r.stdout == '', (option, r.stderr)
    r = i.cli('audit', 'query', '--partition', 'bx')
    assert r.returncode == 0 and 'no record matches' in r.stderr, r.stderr
    named = i.cli('audit', 'query', '--mechanism', 'CKM_ECDSA_SHA256,SHA256_HMAC,ecdsa', '--result', 'OK,failed')
    assert named.returncode == 0, named.stderr
    i.stop()
    from_files = lines_of(i.cli('audit', 'query', *asked, f'{i.home}/data/audit').stdout)
    assert from_files == told


def test_a_long_label_is_whole_in_its_record_or_says_that_it_is_cut(i):
    i.must('init', 'e2e')
    pin = f'{i.home}-pin'
    open(pin, 'w').write('87654321')
    for label in ('x' * 200, 'y' * 254 + '\u00e9' + 'z' * 50):
        r = i.cli('key', 'generate', '--type', 'aes:256', '--label', label, '--pin-file', pin)
        assert r.returncode == 0, r.stderr
        r = i.cli('audit', 'query', '--json', '--object', label)
        told = [x for x in lines_of(r.stdout) if x['event'] == 'key_generate']
        assert len(told) == 1, r.stdout + r.stderr
        assert told[0]['label'] == (label if len(label) == 200 else 'y' * 253 + '\u2026'), told
        assert lines_of(i.cli('audit', 'query', '--json', '--object', told[0]['object']).stdout), told
    assert 'no record matches' in i.cli('audit', 'query', '--object', 'x' * 199).stderr
    assert 'no record matches' in i.cli('audit', 'query', '--object', 'y' * 252 + 'z' * 9).stderr


def test_records_say_which_hsm_which_connection_and_which_key(i):
    i.must('init', 'e2e')
    files = {'so': '12345678', 'pin': '87654321', 'data': 'data', 'bad': 'x' * 64}
    for name, text in files.items():
        with open(f'{i.home}-{name}', 'w') as f:
            f.write(text)
    pin = ('--pin-file', f'{i.home}-pin')
    for args in (('audit', 'config', '--so-pin-file', f'{i.home}-so', 'audit-all=yes'),
                 ('key', 'generate', '--type', 'ec:P-256', '--label', 'seen', *pin),
                 ('object', 'show', '--label', 'seen', *pin)):
        r = i.cli(*args)
        assert r.returncode == 0, (args, r.stderr)
    r = i.cli('verify', '--key', 'seen', '--mechanism', 'ECDSA_SHA256', '--signature', f'{i.home}-bad', *pin, '--in',
              f'{i.home}-data')
    assert r.returncode != 0
    serial = json.loads(i.cli('status', '--json').stdout)['serial']
    i.stop()
    d = f'{i.home}/data/audit'
    rows = lines_of(i.cli('audit', 'export', d).stdout)
    assert all(x['hsm'] == serial for x in rows), rows
    assert all(isinstance(x['session'], str) and x['request'] < 2 ** 53 for x in rows)
    calls = [x for x in rows if x['kind'] != 'event']
    assert all((x['connection'] == 0) == (x['kind'] == 'event') for x in rows)
    by_pid = {(x['connection'], x['pid']) for x in calls}
    assert len({c for c, _ in by_pid}) == len(by_pid) >= 4, by_pid
    read = [x for x in rows if x['event'] == 'attr_get']
    assert read and all(x['object'] and x['label'] for x in read), read
    failed = [x for x in rows if x['event'].startswith('verify') and x['result'] != 'OK']
    assert failed and failed[-1]['label'] == 'seen' and failed[-1]['mechanism'] == 'ECDSA_SHA256', failed
    changed = next(x for x in rows if x['event'] == 'policy_set')
    assert changed['detail'].strip() == 'audit-all=0->1', changed
    for name in ('cef', 'leef', 'rfc5424'):
        lines = i.cli('audit', 'export', '--format', name, d).stdout.splitlines()
        assert all(serial in x for x in lines), name


def test_a_label_forges_no_line_and_no_colour(i):
    label = 'x\n99 2030-01-01T00:00:00Z login: OK \x1b[31m\u009b\u202e\\'
    told = 'x\\n99 2030-01-01T00:00:00Z login: OK \\x1b[31m\\u009b\\u202e\\\\'
    i.must('init', 'e2e')
    with open(f'{i.home}-pin', 'w') as f:
        f.write('87654321\n')
    pin = ('--pin-file', f'{i.home}-pin')
    r = i.cli('key', 'generate', '--type', 'aes:128', '--label', label, *pin)
    assert r.returncode == 0 and '\x1b' not in r.stdout, r.stderr
    rows = i.cli('object', 'list', *pin).stdout
    assert told in rows and not any(c in rows for c in '\x1b\u009b\u202e'), rows
    assert label in [o['label'] for o in json.loads(i.cli('object', 'list', '--json', *pin).stdout)]
    asked = ('audit', 'query', '--call', 'key_generate')
    line, = i.cli(*asked, '--count', '1').stdout.splitlines()
    assert told in line and not any(c in line for c in '\x1b\u009b\u202e'), line
    assert lines_of(i.cli(*asked, '--json').stdout)[-1]['label'] == label
    assert '\x1b' not in i.cli('audit', 'show').stdout
    i.stop()
    for name in ('cef', 'leef', 'rfc5424'):
        text = i.cli('audit', 'export', '--format', name, f'{i.home}/data/audit').stdout
        hits = [x for x in text.splitlines() if '2030-01-01' in x]
        assert hits and all('key_generate' in x or 'object' in x for x in hits), (name, hits)
        assert not any(c in text for c in '\x1b\u009b\u202e') and '\\x1b[31m' in text, (name, hits)


def test_a_tail_shows_the_last_records_and_those_that_come(i):
    i.must('init', 'e2e')
    assert len(i.cli('audit', 'tail', '--count', '3').stdout.splitlines()) == 3
    p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'audit', 'tail', '-f', '--count', '0', '--call', 'self_test'],
                         env=i.env, text=True, stdout=subprocess.PIPE)
    try:
        # What is done before it has found the log's end is not shown.
        e2e.wait_for(lambda: i.cli('selftest').returncode == 0 and select.select([p.stdout], [], [], 0.5)[0])
        line = p.stdout.readline()
        assert 'self_test: OK' in line, line
    finally:
        p.kill()
        p.wait()


def test_levels_are_shown_and_changed(i):
    i.must('init', 'e2e')
    rows = {r['policy']: r['value'] for r in json.loads(i.cli('audit', 'config', '--json').stdout)}
    assert rows['audit-key-use'] == 'every' and 'backup' not in rows, rows
    with open(f'{i.home}-so', 'w') as f:
        f.write('12345678\n')
    r = i.cli('audit', 'config', '--so-pin-file', f'{i.home}-so', 'audit-key-use=counted')
    assert r.returncode == 0, r.stderr
    i.must('sign', '0.2', '1')
    with open(f'{i.home}-pin', 'w') as f:
        f.write('87654321\n')
    used = json.loads(i.cli('key', 'usage', '--json', '--key', 'k', '--pin-file', f'{i.home}-pin').stdout)
    assert used['sign'] > 0, used
    i.stop()
    told = lines_of(i.cli('audit', 'query', '--json', '--call', 'sign_init,key_uses', '--object', 'k').stdout)
    assert told[-1]['event'] == 'key_uses' and told[-1]['detail'] == f'sign {used["sign"]}', told[-1]
    again = json.loads(i.cli('key', 'usage', '--json', '--key', 'k', '--pin-file', f'{i.home}-pin').stdout)
    assert again['sign'] == used['sign'], again
    assert i.cli('audit', 'config', 'backup=no').returncode == 2


def test_closed_files_are_compressed_archived_and_verify(i):
    os.makedirs(i.home, 0o700)
    os.mkdir(f'{i.home}-archive')
    with open(f'{i.home}/holdfast.conf', 'w') as f:
        f.write(f'audit-segment-size = 4096\naudit-keep-files = 2\naudit-archive = {i.home}-archive\n')
    i.must('init', 'e2e')
    i.must('sign', '1.5', '1')
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    i.cli('audit', 'key', '--out', f'{i.home}-keys')
    verify = ('audit', 'verify', '--json', '--audit-key', f'{i.home}-keys')
    d, a = f'{i.home}/data/audit', f'{i.home}-archive'
    def gone():
        """all closed files are in the archive, and two are left"""
        return (len([x for x in os.listdir(d) if x.endswith('.gz')]) == 2 and
                len([x for x in os.listdir(d) if x.endswith('.log')]) == 1 and f'{1:020}.log.gz' in os.listdir(a))
    e2e.wait_for(gone)
    i.stop()
    first = min(int(x.split('.')[0]) for x in os.listdir(d) if x.endswith('.gz'))
    r = i.cli(*verify, d)
    assert r.returncode == 1 and json.loads(r.stdout)['bad'] == 1 and f"'--from {first}'" in r.stderr, r.stderr
    assert i.cli(*verify, '--from', str(first), d).returncode == 0
    shutil.copytree(d, a, dirs_exist_ok=True)
    r = i.cli('audit', 'verify', '--json', '--audit-key', f'{i.home}-keys', '--last',
              f'{told["last"]}:{told["hash"]}', a)
    assert r.returncode == 0, r.stdout + r.stderr
    with open(f'{a}/{1:020}.log.gz', 'r+b') as f:
        f.seek(200)
        byte = f.read(1)[0]
        f.seek(200)
        f.write(bytes([byte ^ 1]))
    told = json.loads(i.cli('audit', 'verify', '--json', '--audit-key', f'{i.home}-keys', a).stdout)
    assert not told['intact'] and told['bad'] > 0, told


def test_ml_dsa_signs_too_where_it_is_asked_for(i):
    os.makedirs(i.home, 0o700)
    with open(f'{i.home}/holdfast.conf', 'w') as f:
        f.write('audit-signature = ed25519+ml-dsa-65\n')
    assert i.cli('selftest').returncode == 0
    i.cli('audit', 'key', '--out', f'{i.home}-keys')
    i.stop()
    r = i.cli('audit', 'verify', '--json', '--audit-key', f'{i.home}-keys', f'{i.home}/data/audit')
    told = json.loads(r.stdout)
    assert told['intact'] and told['ml_dsa_signed'] == 2, told


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
