#!/usr/bin/env python3
"""faults.py BUILD TEST: the audit log when the disk fills, cannot be written, its keeper dies, or the clock is set back: nothing
acknowledged is lost, what policy lets go on goes on, and it is said."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import e2e

SO_PIN = '12345678\n'


class Disk:
    """Disk is a small file system of its own under the instance's home."""

    def __init__(self, i, size='16m'):
        if os.geteuid() != 0:
            raise e2e.Skip('needs root to mount a small disk')
        self.home = i.home
        os.makedirs(i.home, 0o700)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size},mode=700', 'none', i.home],
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise e2e.Skip('tmpfs cannot be mounted here')

    def fill(self):
        with open(f'{self.home}/filler', 'wb', buffering=0) as f:
            try:
                while f.write(bytes(65536)) == 65536:
                    pass
                while f.write(bytes(512)):
                    pass
            except OSError:
                pass

    def free(self):
        os.remove(f'{self.home}/filler')

    def remount(self, how):
        return subprocess.run(['mount', '-o', f'remount,{how}', self.home], stderr=subprocess.DEVNULL).returncode == 0

    def umount(self, i):
        i.stop()
        time.sleep(0.3)
        subprocess.run(['umount', '-l', self.home], check=True)


def health(i):
    return json.loads(i.cli('health', '--json').stdout)


def records(i, *args):
    return [json.loads(x) for x in i.cli('audit', 'query', '--json', *args).stdout.splitlines()]


def level(i, *policies):
    with open(f'{i.home}-so', 'w', encoding='utf-8') as f:
        f.write(SO_PIN)
    r = i.cli('audit', 'config', '--so-pin-file', f'{i.home}-so', *policies)
    assert r.returncode == 0, r.stderr


def verified(i):
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    r = i.cli('audit', 'verify', '--json', '--audit-key', told['key'], '--last', f'{told["last"]}:{told["hash"]}',
              f'{i.home}/data/audit')
    assert r.returncode == 0, r.stdout + r.stderr


def signed(text):
    return int(re.search(r'(\d+) signed', text).group(1))


def test_a_full_disk_does_not_stop_signing_and_what_was_dropped_is_told(i):
    disk = Disk(i, '512m')
    try:
        i.must('init', 'e2e')
        p = i.popen('sign', str(e2e.PATIENCE), '1')
        time.sleep(1.5)
        disk.fill()
        e2e.wait_for(lambda: not health(i)['audit'] and 'No space left' in i.log())
        refused = i.cli('partition', 'rename', '--label', 'other', 'e2e')
        assert refused.returncode == 1 and 'audit record could not be kept' in refused.stderr, refused.stderr
        e2e.wait_for(lambda: health(i)['audit_dropped'] > 0, e2e.PATIENCE)
        disk.free()
        e2e.wait_for(lambda: health(i)['audit'], 60)
        p.send_signal(signal.SIGINT)
        out = p.communicate(timeout=60)[0]
        assert p.returncode == 0 and ', 0 failed' in out, out
        e2e.wait_for(lambda: records(i, '--call', 'audit-dropped'))
        dropped = sum(int(r['detail'].split()[0]) for r in records(i, '--call', 'audit-dropped'))
        kept = len(records(i, '--call', 'sign_init'))
        assert dropped == health(i)['audit_dropped'] and kept + dropped >= signed(out), (kept, dropped, out)
        assert 'records of calls are being dropped' in i.log() and 'No space left' in i.log()
        assert i.cli('partition', 'rename', '--label', 'other', 'e2e').returncode == 0
        verified(i)
        print(f'{signed(out)} signed, {kept} recorded, {dropped} dropped')
    finally:
        disk.umount(i)


def test_a_stop_while_the_disk_is_full_tells_what_it_loses(i):
    disk = Disk(i, '512m')
    try:
        i.must('init', 'e2e')
        p = i.popen('sign', str(e2e.PATIENCE), '1')
        time.sleep(1.5)
        disk.fill()
        e2e.wait_for(lambda: health(i)['audit_dropped'] > 0, e2e.PATIENCE)
        p.send_signal(signal.SIGINT)
        out = p.communicate(timeout=60)[0]
        stopped = i.cli('stop')
        assert stopped.returncode == 0, stopped.stderr
        e2e.wait_for(lambda: 'could not be kept before the stop' in i.log())
        disk.free()
        dropped = [int(r['detail'].split()[0]) for r in records(i, '--call', 'audit-dropped')]
        kept = len(records(i, '--call', 'sign_init'))
        assert len(dropped) == 1 and kept + dropped[0] >= signed(out), (kept, dropped, out)
        verified(i)
        print(f'{signed(out)} signed, {kept} recorded, {dropped[0]} told to be lost')
    finally:
        disk.umount(i)


def test_a_start_on_a_full_disk_says_so_at_once(i):
    """The room that is held back lets the HSM start; it is no room to record calls in."""
    disk = Disk(i)
    try:
        i.must('init', 'e2e')
        i.stop()
        disk.fill()
        told = i.cli('health', '--json')
        assert told.returncode == 1 and not json.loads(told.stdout)['audit'], told.stdout + told.stderr
        assert 'holdfast_audit_failing 1' in i.cli('metrics').stdout
        disk.free()
        e2e.wait_for(lambda: i.cli('health').returncode == 0, 60)
        assert health(i)['audit'] and 'the disk has room for audit records again' in i.log(), i.log()
        verified(i)
    finally:
        disk.umount(i)


def test_a_full_disk_stops_signing_where_policy_says_so(i):
    disk = Disk(i)
    try:
        i.must('init', 'e2e')
        level(i, 'audit-fail-closed=everything')
        p = i.popen('sign', '8', '1', stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        disk.fill()
        e2e.wait_for(lambda: not health(i)['audit'])
        time.sleep(1)
        disk.free()
        e2e.wait_for(lambda: health(i)['audit'])
        out = p.communicate(timeout=60)[0]
        kept = [r for r in records(i, '--call', 'sign_init') if r['result'] == 'OK']
        assert len(kept) >= signed(out) > 0, (len(kept), out)
        verified(i)
    finally:
        disk.umount(i)


def test_a_read_only_disk_is_named_at_the_start(i):
    disk = Disk(i)
    try:
        i.must('init', 'e2e')
        i.stop()
        if not disk.remount('ro'):
            raise e2e.Skip('the disk cannot be made read-only here')
        r = i.run(f'{e2e.BUILD}/holdfastd', '--home', i.home)
        assert r.returncode == 1 and 'Read-only file system' in r.stderr, r.stderr
        assert disk.remount('rw')
        i.must('sign', '0.2', '1')
        verified(i)
    finally:
        disk.remount('rw')
        disk.umount(i)


def test_a_keeper_killed_every_second_loses_no_acknowledged_record(i):
    i.must('init', 'e2e')
    level(i, 'audit-fail-closed=everything')
    stop = threading.Event()

    def kill():
        while not stop.wait(1):
            i.kill('keeper')
    t = threading.Thread(target=kill)
    t.start()
    try:
        out = i.must('sign', '6', '2')
    finally:
        stop.set()
        t.join()
    kept = [r for r in records(i, '--call', 'sign_init') if r['result'] == 'OK']
    assert len(kept) >= signed(out) > 0, (len(kept), out)
    verified(i)
    print(f'{out}; {len(kept)} recorded')


def lose_a_queue(i, kill):
    """lose_a_queue: the keeper takes nothing more, records queue in the vault, and then `kill` ends it."""
    i.must('init', 'e2e')
    p = i.popen('sign', '4', '1')
    time.sleep(1)
    keeper = i.roles()['keeper']
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(1)
    kill()
    try:
        os.kill(keeper, signal.SIGCONT)
    except ProcessLookupError:
        pass
    out = p.communicate(timeout=60)[0]
    assert p.returncode == 0 and ', 0 failed' in out, out
    return out


def told_lost(i):
    """told_lost: the record of the loss, and what `audit verify` says of it."""
    lost = records(i, '--call', 'audit-lost')
    told = json.loads(i.cli('audit', 'key', '--json').stdout)
    i.stop()
    r = i.cli('audit', 'verify', '--json', '--audit-key', told['key'], f'{i.home}/data/audit')
    assert r.returncode == 0, r.stdout + r.stderr
    return lost, json.loads(r.stdout), r.stderr


def counts_what_was_lost(i, role):
    out = lose_a_queue(i, lambda: i.kill(role))
    kept = len(records(i, '--call', 'sign_init'))
    lost, verify, said = told_lost(i)
    assert len(lost) == 1, lost
    n = int(lost[0]['detail'].split()[0])
    assert n > 0 and kept + n >= signed(out), (kept, n, out)
    assert verify['intact'] and verify['lost'] == n and verify['lost_unknown'] == 0, verify
    assert f'{n} records of calls were dropped or lost' in said, said
    assert f'{n} records of calls were lost' in i.log()
    print(f'{signed(out)} signed, {kept} recorded, {n} told to be lost')


def test_a_killed_vault_s_queue_is_counted_at_the_next_start(i):
    counts_what_was_lost(i, 'vault')


def test_a_killed_keeper_s_queue_is_counted_at_the_next_start(i):
    counts_what_was_lost(i, 'keeper')


def test_a_monitor_killed_with_all_leaves_a_record_without_a_number(i):
    i.must('init', 'e2e')
    i.must('sign', '0.2', '1')
    i.kill('monitor')
    i.must('sign', '0.2', '1')
    lost, verify, said = told_lost(i)
    assert len(lost) == 1 and 'is not known' in lost[0]['detail'], lost
    assert verify['intact'] and verify['lost_unknown'] == 1, verify
    assert 'without knowing how many' in said, said


def test_a_clock_set_back_is_noticed_and_signing_goes_on(i):
    """The monitor's clock is another one's: the roles get no environment, and keep the machine's."""
    lib = glob.glob('/usr/lib/*/faketime/libfaketimeMT.so.1')
    if not lib:
        raise e2e.Skip('libfaketime is not installed')
    os.makedirs(i.home, 0o700)
    clock = f'{i.home}-clock'
    with open(clock, 'w', encoding='ascii') as f:
        f.write('+0')
    with open(f'{i.home}/daemon.log', 'wb') as log:
        p = subprocess.Popen([f'{e2e.BUILD}/holdfastd', '--home', i.home], stderr=log, stdin=subprocess.DEVNULL,
                             env={**i.env, 'LD_PRELOAD': lib[0], 'FAKETIME_TIMESTAMP_FILE': clock,
                                  'FAKETIME_NO_CACHE': '1', 'DONT_FAKE_MONOTONIC': '1'})
    try:
        e2e.wait_for(lambda: i.cli('health').returncode == 0)
        i.must('init', 'e2e')
        with open(clock, 'w', encoding='ascii') as f:
            f.write('-1h')
        e2e.wait_for(lambda: 'vault: error: tamper event: the clock was set 3600 s back' in i.log())
        i.must('sign', '0.2', '1')
        told = [r for r in records(i) if 'the clock was set 3600 s back' in (r['detail'] or '')]
        assert len(told) == 1, told
        verified(i)
    finally:
        i.stop()
        p.wait(30)


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
