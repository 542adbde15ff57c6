#!/usr/bin/env python3
"""tamper.py BUILD TEST: what the daemon notices by itself, and what follows; what is left
when it is all over. As e2e.py, which it stands on."""
import ctypes
import glob
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

import e2e
import faults
from e2e import Skip, wait_for

PIN = '12345678'
PASSPHRASE = b'a passphrase of many words'
INPUT = struct.Struct('@qqHHi')  # struct input_event
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


def prepare(i, action, source='none', partition=True):
    os.makedirs(i.home, exist_ok=True)
    with open(f'{i.home}/holdfast.conf', 'w') as f:
        f.write(f'tamper-action = {action}\ntamper-source = {source}\nargon2-memory = 64\n')
    with open(f'{i.home}/pin', 'w') as f:
        f.write(PIN)
    if partition:
        must(i, 'partition', 'create', 'box', '--so-pin-file', f'{i.home}/pin',
             '--pin-file', f'{i.home}/pin')


def must(i, *args):
    r = i.cli(*args)
    assert r.returncode == 0, f'{args}: {r.stderr}'
    return r.stdout


def script(i, text):
    path = f'{i.home}/sensor'
    os.makedirs(i.home, exist_ok=True)
    with open(path, 'w') as f:
        f.write('#!/bin/sh\n' + text)
    os.chmod(path, 0o755)
    return f'command:{path}'


def state(i):
    return json.loads(must(i, 'status', '--json'))


def becomes_tampered(i, why):
    def tampered():
        """the HSM is tampered"""
        return state(i)['state'].startswith('tampered')
    wait_for(tampered)
    assert why in state(i)['tampered'], state(i)['tampered']


def events(i):
    return [r['detail'] for r in json.loads(must(i, 'audit', 'show', '--count', '100', '--json'))
            if r['event'] == 'tamper']


def told(i, why):
    def on_record():
        """the event is on record"""
        return any(why in e for e in events(i))
    wait_for(on_record)


def put_back(i):
    for path in glob.glob(f'{i.home}/data/store.db*') + glob.glob(f'{i.home}/data/anchor*'):
        os.unlink(path)
    for path in glob.glob(f'{i.home}/copy/store.db*') + glob.glob(f'{i.home}/copy/anchor*'):
        shutil.copy(path, f'{i.home}/data/')


def test_a_deleted_audit_log_is_an_event_and_hides_no_older_store(i):
    prepare(i, 'lock')
    for older in (False, True):
        i.stop()
        shutil.copytree(f'{i.home}/data', f'{i.home}/copy', dirs_exist_ok=True)
        assert i.must('wrong-pin', '4') == '0xa0'
        i.stop()
        if older:
            put_back(i)
        shutil.rmtree(f'{i.home}/data/audit')
        becomes_tampered(i, 'records at the end of the log are missing')
        must(i, 'tamper', 'clear')
        assert i.must('wrong-pin', '1') == '0xa0', 'one try is left'
        assert i.must('right-pin') == '0xa4', 'and no more'
        i.stop()
        assert state(i)['store'] == 'as it was left', 'it is told once'
        assert state(i)['state'] == 'operational'
        must(i, 'user', 'set', 'user', '--partition', 'box', '--so-pin-file', f'{i.home}/pin',
             '--pin-file', f'{i.home}/pin')


def test_retention_rotation_and_crashes_are_no_event(i):
    def few_files():
        """retention deletes, when the log does not grow fast"""
        return len(glob.glob(f'{i.home}/data/audit/*')) < 5
    prepare(i, 'log', partition=False)  # a process that is killed is an event itself
    with open(f'{i.home}/holdfast.conf', 'a') as f:
        f.write('audit-segment-size = 4096\naudit-keep-files = 1\naudit-key-use = every\n')
    i.must('init', 'e2e')
    for role in ('keeper', 'vault', 'monitor', None):
        i.must('sign', '0.3', '1')
        if role is None:
            wait_for(few_files, 120)
            i.stop()
        else:
            vault = i.roles()['vault']
            i.kill(role)
            wait_for(lambda: i.roles().get('vault') != vault)
    assert state(i)['store'] == 'as it was left'
    assert not [e for e in events(i) if 'audit log' in e]


def test_a_sensor_that_prints_a_line_locks(i):
    prepare(i, 'lock', script(i, f'echo $$ > {i.home}/pid\n'
                                 f'while ! test -e {i.home}/open; do sleep 0.1; done\n'
                                 'echo the lid is open\nexec sleep 1000\n'))
    assert state(i)['state'] == 'operational'
    open(f'{i.home}/open', 'w').close()
    becomes_tampered(i, 'the lid is open')
    assert i.cli('partition', 'list').returncode != 0
    must(i, 'tamper', 'clear')
    assert state(i)['state'] == 'operational'
    i.stop()
    sensor = open(f'{i.home}/pid').read().strip()

    def gone():
        """the sensor ends with the daemon"""
        return not os.path.exists(f'/proc/{sensor}')
    wait_for(gone)


def test_a_probe_that_fails_is_an_event(i):
    prepare(i, 'lock', script(i, 'exit 3\n'), partition=False)
    becomes_tampered(i, 'ended with code 3')


def test_a_probe_that_is_content_is_none(i):
    prepare(i, 'lock', script(i, f'echo >> {i.home}/ran\n'))

    def ran():
        """the probe ran"""
        return os.path.exists(f'{i.home}/ran')
    wait_for(ran)
    assert state(i)['state'] == 'operational'


def test_an_input_event_is_one(i):
    os.makedirs(i.home, exist_ok=True)
    os.mkfifo(f'{i.home}/event')
    prepare(i, 'lock', f'input:{i.home}/event:5:7:1')
    with open(f'{i.home}/event', 'wb', buffering=0) as device:
        device.write(INPUT.pack(0, 0, 5, 7, 0) + INPUT.pack(0, 0, 1, 7, 1))  # others
        assert state(i)['state'] == 'operational'
        device.write(INPUT.pack(0, 0, 5, 7, 1))
        becomes_tampered(i, ':5:7:1')


def test_an_event_may_zeroize(i):
    prepare(i, 'zeroize', script(i, f'while ! test -e {i.home}/open; do sleep 0.1; done\nexit 1\n'))
    open(f'{i.home}/open', 'w').close()

    def zeroized():
        """the HSM is zeroized"""
        return state(i)['state'] == 'zeroized'
    wait_for(zeroized)


def test_a_full_disk_stops_no_zeroization(i):
    """With and without the room that is held back, and for a passphrase, whose wrapped key is in the store alone."""
    for held, passphrase in ((True, False), (False, False), (False, True)):
        disk = faults.Disk(i, '6m')
        try:
            prepare(i, 'log')
            if passphrase:
                must(i, 'passphrase', '--pin-file', f'{i.home}/pin')
            if not held:
                os.remove(f'{i.home}/data/reserve')
            disk.fill()
            r = i.cli('zeroize', '--yes')
            assert r.returncode == 0 or 'ZEROIZE_PENDING' in r.stderr, r.stderr
            assert state(i)['state'] == 'zeroized', i.log()
            assert 'ZEROIZED' in i.cli('partition', 'list').stderr
            i.stop()
            disk.free()
            assert state(i)['state'] == 'zeroized', i.log()
            assert os.path.getsize(f'{i.home}/data/unlock.key') == 0
            must(i, 'zeroize', '--yes')
            assert 'ZEROIZED' in i.cli('unlock', '--pin-file', f'{i.home}/pin').stderr
        finally:
            disk.umount(i)
            os.rmdir(i.home)


def test_a_full_disk_stops_no_lock(i):
    disk = faults.Disk(i, '6m')
    try:
        prepare(i, 'lock')
        disk.fill()
        r = i.cli('tamper', 'report', 'the lid is open')
        assert r.returncode == 0, r.stderr
        assert state(i)['state'].startswith('tampered')
        assert 'TAMPERED' in i.cli('partition', 'list').stderr
        i.stop()
        disk.free()
        assert state(i)['state'].startswith('tampered'), i.log()
        must(i, 'tamper', 'clear')
        must(i, 'partition', 'list')
    finally:
        disk.umount(i)


def test_a_killed_zeroization_is_finished_or_was_none(i):
    """A kill comes a little later each time, until the HSM is zeroized; each time it starts."""
    prepare(i, 'log')
    now = 'operational'
    for n in range(200):
        state(i)  # runs
        p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'zeroize', '--yes'], env=i.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(n * 0.004)
        p.kill()  # it would start the HSM and ask again
        i.kill('monitor')
        done = p.wait(60) == 0
        now = state(i)['state']
        assert now == 'zeroized' or now == 'operational' and not done, now + i.log()
        if now == 'zeroized':
            break
    assert now == 'zeroized'
    assert os.path.getsize(f'{i.home}/data/unlock.key') == 0
    must(i, 'zeroize', '--yes')


def test_output_that_cannot_be_written_is_told_as_such(i):
    prepare(i, 'log', partition=False)
    with open('/dev/full', 'w', encoding='utf-8') as full:
        r = subprocess.run([f'{e2e.BUILD}/holdfast', 'partition', 'create', 'box', '--so-pin-file', f'{i.home}/pin',
                            '--pin-file', f'{i.home}/pin'], env=i.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1 and 'OUTPUT' in r.stderr and 'is done' in r.stderr, r.stderr
    assert 'box' in must(i, 'partition', 'list')


def test_a_source_that_cannot_be_watched_stops_the_start(i):
    for bad in ('command', 'smoke:x', 'gpio:/dev/null:1:high', 'gpio:/dev/null:x:high', 'gpio:/dev/null:1',
                'input:/no/such:1:1:1', 'input:/dev/null:1:1', 'input:dev:1:1:1'):
        prepare(i, 'log', bad, partition=False)
        r = i.cli('status')
        assert r.returncode != 0, bad


def test_a_debugger_is_noticed(i):
    prepare(i, 'lock')
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    vault = i.roles()['vault']
    if libc.ptrace(PTRACE_SEIZE, vault, None, None) != 0:
        raise Skip(f'ptrace is not allowed here: {os.strerror(ctypes.get_errno())}')
    becomes_tampered(i, f'process {os.getpid()} traces process {vault}')


def test_a_signal_from_outside_is_on_record(i):
    prepare(i, 'log')
    i.kill('vault')
    told(i, 'was ended by signal 9')
    i.kill('keeper')
    told(i, 'the keeper')
    i.kill('vault', signal.SIGTERM)

    def gone():
        """the daemon has left"""
        return not i.monitors()
    wait_for(gone)
    told(i, f'signal 15 to the vault from process {os.getpid()}')


# --- the end ------------------------------------------------------------------

def root_records(home):
    """root_records: what the database has of the root key's record; opened on a copy."""
    with tempfile.TemporaryDirectory() as d:
        for path in glob.glob(f'{home}/data/store.db*'):
            shutil.copy(path, d)
        db = sqlite3.connect(f'{d}/store.db')
        rows = db.execute("SELECT value FROM records WHERE name = CAST('hsm/root' AS BLOB)").fetchall()
        db.close()
    return [bytes(r[0]) for r in rows]


def pieces(value, size=24):
    """pieces: of a record, those that say nothing but what it wraps."""
    found = [value[k:k + size] for k in range(0, len(value) - size, size)]
    return [p for p in found if len(set(p)) > 12]


def files_of(home):
    for path in glob.glob(f'{home}/**', recursive=True):
        if os.path.isfile(path):
            yield path, open(path, 'rb').read()


def found_in(home, needles):
    return sorted({path for path, text in files_of(home) for n in needles if n in text})


def in_memory(i, needles):
    if os.geteuid() != 0:
        return 'not searched: needs root'
    pids = [*i.monitors(), *i.roles().values()]
    assert len(pids) == 3, pids
    texts = {pid: e2e.memory_of(pid, skip='/no/such') for pid in pids}
    assert all(len(t) > 100000 for t in texts.values()), {p: len(t) for p, t in texts.items()}
    assert not [p for p, t in texts.items() for n in needles if n in t]
    return f'{sum(map(len, texts.values()))} bytes searched'


def test_no_usable_key_is_left_after_zeroizing(i):
    prepare(i, 'log', partition=False)
    i.must('init', 'e2e')
    i.must('store-secret')
    wrapped = root_records(i.home)
    with open(f'{i.home}/../passphrase', 'wb') as f:
        f.write(PASSPHRASE)
    must(i, 'unlock-method', 'add', 'passphrase', '--pin-file', f'{i.home}/../passphrase')
    wrapped += root_records(i.home)
    unlock_key = open(f'{i.home}/data/unlock.key', 'rb').read()
    needles = [e2e.SECRET, unlock_key] + [p for w in set(wrapped) for p in pieces(w)]
    assert len(unlock_key) == 32 and len(set(wrapped)) == 2 and len(needles) > 6
    before = f'{i.home}-before'
    shutil.copytree(i.home, before, ignore=shutil.ignore_patterns('*.sock'))
    assert found_in(before, [unlock_key]) and found_in(before, pieces(wrapped[1]))
    assert not found_in(before, [e2e.SECRET])

    began = time.monotonic()
    must(i, 'zeroize', '--yes')
    print(f'zeroized in {time.monotonic() - began:.3f} s')
    assert state(i)['state'] == 'zeroized'
    assert not found_in(i.home, needles), found_in(i.home, needles)
    # Wrapped records may lie in freed memory until the daemon ends; what opens them does not.
    print('memory:', in_memory(i, [e2e.SECRET, unlock_key, PASSPHRASE]))
    opens_nothing(i, before)
    opens_as_before(before)


def opens_nothing(i, before):
    """What is there now opens nothing, with the unlock file of before and the right passphrase."""
    i.stop()
    shutil.copy(f'{before}/data/unlock.key', f'{i.home}/data/unlock.key')
    assert state(i)['state'] == 'zeroized'
    r = i.cli('unlock', '--pin-file', f'{i.home}/../passphrase')
    assert r.returncode != 0 and 'zeroized' in r.stderr, r.stderr
    assert i.driver('info').returncode != 0
    i.stop()


def opens_as_before(before):
    """A copy from before is another matter, as SECURITY.md says: both parts of it together open."""
    old = e2e.Instance(before)
    try:
        assert json.loads(old.cli('status', '--json').stdout)['state'] == 'operational'
    finally:
        old.stop()


def log_of(i):
    logs = glob.glob(f'{i.home}/data/audit-*')
    assert len(logs) == 1, logs
    return logs[0]


def test_a_decommissioned_hsm_leaves_its_log_alone(i):
    prepare(i, 'log')
    unlock_key = open(f'{i.home}/data/unlock.key', 'rb').read()
    needles = [unlock_key, *pieces(root_records(i.home)[0])]
    must(i, 'decommission', '--yes')
    log = log_of(i)
    assert set(os.listdir(f'{i.home}/data')) == {os.path.basename(log)}
    assert not found_in(i.home, needles)
    told = json.loads(must(i, 'audit', 'verify', log, '--audit-key', f'{log}/keys', '--json'))
    assert told['intact'] and told['stopped'], told
    assert b'zeroize' in b''.join(text for path, text in files_of(log))
    assert state(i)['state'] == 'operational' and state(i)['partitions'] == '0'  # a new one
    must(i, 'audit', 'verify', log, '--audit-key', f'{log}/keys')


def test_who_may_not_zeroize_decommissions_nothing(i):
    prepare(i, 'log')
    must(i, 'hsm', 'init', '--pin-file', f'{i.home}/pin')
    r = i.cli('decommission', '--yes')
    assert r.returncode != 0 and 'security officer' in r.stderr, r.stderr
    assert state(i)['state'] == 'operational' and os.path.exists(f'{i.home}/data/store.db')
    must(i, 'decommission', '--yes', '--as', 'so', '--as-pin-file', f'{i.home}/pin')
    assert os.listdir(f'{i.home}/data') == [os.path.basename(log_of(i))]


def test_what_custodians_have_to_agree_to_is_not_decommissioned(i):
    prepare(i, 'log')
    with open(f'{i.home}/pin', encoding='utf-8') as f, open(f'{i.home}/lines', 'w', encoding='utf-8') as to:
        to.write(f'{f.read().strip()}\n' * 3)
    must(i, 'quorum', 'create', '2/3', '--beside', '--out', i.home, '--names', 'anna,bert,carl', '--yes',
         '--pin-file', f'{i.home}/lines')
    assert i.cli('quorum', 'require', 'zeroize').returncode != 0
    for n in (1, 2):
        must(i, 'quorum', 'share', f'{i.home}/share-{n}.json', '--pin-file', f'{i.home}/pin')
    must(i, 'quorum', 'require', 'zeroize')
    r = i.cli('decommission', '--yes')
    assert r.returncode != 0 and 'custodians' in r.stderr, r.stderr
    assert state(i)['state'] == 'operational' and os.path.exists(f'{i.home}/data/store.db')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
