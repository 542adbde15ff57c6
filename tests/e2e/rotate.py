#!/usr/bin/env python3
"""rotate.py BUILD TEST: new keys while applications sign and processes are killed.
HOLDFAST_ROTATE_PAIRS and HOLDFAST_ROTATE_SECONDS make a long form."""
import json
import os
import random
import shutil
import subprocess
import sys
import time

import e2e
from e2e import wait_for


def rotation(i):
    r = i.cli('status', '--json')
    return json.loads(r.stdout).get('rotation', '') if r.returncode == 0 else '?'


def rotate(i):
    return i.cli('rotate', 'root', '--yes')


def many_objects(i, seconds):
    """many_objects lets the driver make keys for a while, and tells how many."""
    i.must('init', 'e2e')
    p = i.popen('make', 'many', stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    p.kill()
    return p.communicate()[0].split()


def test_signing_goes_on_while_the_root_key_is_replaced_and_processes_are_killed(i):
    made = many_objects(i, 4)
    signing = i.popen('sign', '15', '2')
    time.sleep(1)  # a login is not repeated
    done = 0
    end = time.monotonic() + 12
    while time.monotonic() < end:
        if rotate(i).returncode == 0:
            done += 1
        time.sleep(random.uniform(0, 0.08))
        i.kill(random.choice(['vault', 'keeper']))
        time.sleep(random.uniform(0.2, 0.5))
    out, _ = signing.communicate(timeout=60)
    assert signing.returncode == 0 and done > 0, (signing.returncode, done, out)
    wait_for(lambda: rotation(i) in ('', 'the root key: done'))
    assert rotate(i).returncode == 0
    wait_for(lambda: rotation(i) == 'the root key: done')
    i.must('check', input='\n'.join(made))
    facts = json.loads(i.cli('status', '--json').stdout)
    assert facts['damaged records'] == '0' and facts['store'] == 'as it was left', facts
    print(f'{len(made)} keys, {done} new root keys')


def facts(i):
    r = i.cli('status', '--json')
    return json.loads(r.stdout) if r.returncode == 0 else {}


def rotate_partition(i, so_pin='12345678'):
    pin = f'{i.home}/so-pin'
    with open(pin, 'w', encoding='ascii') as f:
        f.write(so_pin)
    return i.cli('rotate', 'partition', 'e2e', '--so-pin-file', pin, '--yes')


def make_pairs(i, n):
    i.must('init', 'e2e')
    p = i.popen('make', 'many', stderr=subprocess.DEVNULL)
    made = [p.stdout.readline().strip() for _ in range(n)]
    p.kill()
    return made + p.communicate()[0].split()


def signer_is_there(i):
    """the client is back: one that is not when the key is replaced has to log in again"""
    return 'holdfast_calls_total{call="sign",result="ok"}' in i.cli('metrics').stdout


def test_signing_goes_on_while_the_keys_of_hsm_and_partition_are_replaced_and_processes_are_killed(i):
    made = make_pairs(i, int(os.environ.get('HOLDFAST_ROTATE_PAIRS', 500)))
    seconds = float(os.environ.get('HOLDFAST_ROTATE_SECONDS', 15))
    signing = i.popen('sign', str(seconds + 5), '2')
    wait_for(lambda: signer_is_there(i))
    done = {rotate: 0, rotate_partition: 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for what in done:
            done[what] += what(i).returncode == 0
        time.sleep(random.uniform(0, 0.3))
        i.kill(random.choice(['vault', 'keeper', 'monitor']))
        wait_for(lambda: signer_is_there(i), 60)
    out, _ = signing.communicate(timeout=60)
    assert signing.returncode == 0 and all(done.values()), (signing.returncode, done, out)
    used = i.must('use').split()
    wait_for(lambda: facts(i).get('partition rotation', 'done').endswith('done'), 60)
    wait_for(lambda: rotation(i) in ('', 'the root key: done'), 60)
    assert used[1] == '0' and int(used[0]) > len(made), used
    i.must('check', input='\n'.join(made))
    i.stop()
    assert i.must('use').split() == used
    told = facts(i)
    assert told['damaged records'] == '0' and told['store'] == 'as it was left', told
    print(f'{used[0]} pairs, {done[rotate]} new root keys, {done[rotate_partition]} new partition keys')


def test_only_the_officer_replaces_the_key_of_a_partition(i):
    i.must('init', 'e2e')
    r = rotate_partition(i, '87654321')
    assert r.returncode != 0 and 'PIN' in r.stderr, r.stderr
    assert rotate_partition(i).returncode == 0
    wait_for(lambda: facts(i)['partition rotation'].endswith('done'))
    assert i.must('use') == '1 0'


def test_either_audit_key_proves_the_whole_log(i):
    def key():
        return json.loads(i.cli('audit', 'key', '--json').stdout)['key']

    keys = [key()]
    for _ in range(2):
        assert rotate(i).returncode == 0
        wait_for(lambda: rotation(i) == 'the root key: done')
        i.cli('selftest')
        keys.append(key())
    i.stop()
    copy = f'{i.home}-copy'
    shutil.copytree(f'{i.home}/data/audit', copy)
    other = e2e.Instance(f'{i.home}-none')
    assert len(set(keys)) == 3
    for k in keys:
        told = json.loads(other.cli('audit', 'verify', '--json', '--audit-key', k, copy).stdout)
        assert told['intact'] and told['stopped'], told
    told = json.loads(other.cli('audit', 'verify', '--json', '--audit-key', '00' * 32, copy).stdout)
    assert not told['intact']


def test_ml_dsa_signatures_prove_the_log_over_rotations(i):
    os.makedirs(i.home, 0o700)
    with open(f'{i.home}/holdfast.conf', 'w', encoding='ascii') as f:
        f.write('audit-signature = ed25519+ml-dsa-65\n')
    for n in range(3):
        i.cli('selftest')
        assert i.cli('audit', 'key', '--out', f'{i.home}-{n}').returncode == 0
        assert rotate(i).returncode == 0
        wait_for(lambda: rotation(i) == 'the root key: done')
    i.stop()
    signed = []
    for n in range(3):
        told = json.loads(i.cli('audit', 'verify', '--json', '--audit-key', f'{i.home}-{n}',
                                f'{i.home}/data/audit').stdout)
        assert told['intact'] and told['stopped'], told
        signed.append(told['ml_dsa_signed'])
    # the first key proves all; every later one what stands behind the first change
    assert signed[0] > signed[1] == signed[2] >= 6, signed


def test_a_second_rotation_waits_for_the_first(i):
    many_objects(i, 3)
    assert rotate(i).returncode == 0
    again = rotate(i)
    assert again.returncode == 0 or 'a rotation is under way' in again.stderr, again.stderr
    wait_for(lambda: rotation(i) == 'the root key: done')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
