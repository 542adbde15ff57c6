#!/usr/bin/env python3
"""monitor.py BUILD TEST: what watches the HSM from outside, with the command lines of packaging/."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import e2e
from faults import Disk

PACKAGING = f'{os.path.dirname(os.path.abspath(__file__))}/../../packaging'


def secret(i, name, text):
    os.makedirs(i.home, exist_ok=True)
    path = f'{i.home}/{name}'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return path


def must(i, *args):
    r = i.cli(*args)
    assert r.returncode == 0, f'{args}: {r.stderr}'
    return r.stdout


def unit(i, name, request='', **env):
    """unit runs a service's command line as systemd would: ${X} is one word, $X those that it holds."""
    with open(f'{PACKAGING}/{name}', encoding='utf-8') as f:
        line = re.search('^ExecStart=(.*)$', f.read(), re.M).group(1)
    words = []
    for w in line.replace('@bindir@', e2e.BUILD).split():
        if w.startswith('${'):
            words.append(env[w[2:-1]])
        elif w.startswith('$'):
            words += shlex.split(env.get(w[1:], ''))
        else:
            words.append(w)
    return subprocess.run(words, env=i.env, input=request, text=True, capture_output=True, timeout=120)


def get(i, path):
    return unit(i, 'holdfast-metrics@.service', f'GET {path} HTTP/1.1\r\n\r\n').stdout


def with_roles(i):
    pin = secret(i, 'pin', '12345678')
    must(i, 'partition', 'create', 'box', '--so-pin-file', pin, '--pin-file', pin)
    must(i, 'hsm', 'init', '--pin-file', pin)
    must(i, 'hsm', 'set', 'administrator', '--pin-file', pin, '--as', 'so', '--as-pin-file', pin)
    return pin


def test_metrics_and_health_take_no_role(i):
    with_roles(i)
    for path, word in (('/healthz', 'healthy'), ('/readyz', 'ready'), ('/metrics', 'holdfast_ready 1')):
        told = get(i, path)
        assert told.startswith('HTTP/1.1 200 ') and word in told, told
    assert 'partition="box"' in get(i, '/metrics')
    assert json.loads(must(i, 'health', '--json'))['ready']


def test_the_rehearsal_service_works_with_roles(i):
    pin = with_roles(i)
    role = f'--as administrator --as-pin-file {pin}'
    backup = f'{i.home}/box.backup'
    must(i, 'key', 'generate', '--type', 'aes:256', '--label', 'k', '--pin-file', pin)
    must(i, 'backup', 'create', '--pin-file', pin, '--passphrase-file', secret(i, 'pass', 'correct horse'), '--as', 'so',
         '--as-pin-file', pin, backup)
    env = {'PASSPHRASE_FILE': f'{i.home}/pass', 'BACKUP': backup}
    r = unit(i, 'holdfast-rehearse.service', **env)
    assert r.returncode == 1 and 'DENIED' in r.stderr, r.stderr
    r = unit(i, 'holdfast-rehearse.service', ROLE=role, **env)
    assert r.returncode == 0 and 'keys used' in r.stdout, r.stderr
    assert 'holdfast_rehearsal_keys 1' in get(i, '/metrics')


def test_a_pin_that_locks_is_told_at_once(i):
    pin, wrong = secret(i, 'pin', '12345678'), secret(i, 'wrong', '87654321')
    must(i, 'partition', 'create', 'box', '--so-pin-file', pin, '--pin-file', pin)
    assert 'holdfast_pins_locked_total 0' in must(i, 'metrics')
    for _ in range(10):
        assert i.cli('object', 'list', '--pin-file', wrong).returncode == 1
        if 'holdfast_pins_locked_total 1' in must(i, 'metrics'):
            break
    told = must(i, 'metrics')
    assert 'holdfast_pins_locked_total 1' in told and 'holdfast_locked_pin_calls_total 0' in told, told
    assert 'pin-locked' in must(i, 'audit', 'show')


def test_health_knows_a_store_that_refuses(i):
    disk = Disk(i, '64m')
    try:
        pin = secret(i, 'pin', '12345678')
        must(i, 'partition', 'create', 'box', '--so-pin-file', pin, '--pin-file', pin)
        assert get(i, '/readyz').startswith('HTTP/1.1 200 ')
        disk.fill()
        assert i.cli('object', 'list', '--pin-file', pin).returncode == 1
        told = json.loads(i.cli('health', '--json').stdout)
        assert not told['ready'] and not told['store'], told
        assert get(i, '/readyz').startswith('HTTP/1.1 503 ') and get(i, '/healthz').startswith('HTTP/1.1 200 ')
        assert '\nholdfast_store_failing 1\n' in get(i, '/metrics')
        disk.free()
        e2e.wait_for(lambda: i.cli('health').returncode == 0)
        must(i, 'object', 'list', '--pin-file', pin)
    finally:
        disk.umount(i)


def test_an_archive_that_fails_is_told(i):
    archive = f'{i.home}-archive'
    os.makedirs(i.home, exist_ok=True)
    os.mkdir(archive)
    with open(f'{i.home}/holdfast.conf', 'w', encoding='utf-8') as f:
        f.write(f'audit-segment-size = 4096\naudit-archive = {archive}\n')
    pin = secret(i, 'pin', '12345678')
    must(i, 'partition', 'create', 'box', '--so-pin-file', pin, '--pin-file', pin)
    assert '\nholdfast_audit_archive_failing 0\n' in must(i, 'metrics')
    shutil.rmtree(archive)

    def failing():
        must(i, 'object', 'list', '--pin-file', pin)
        return '\nholdfast_audit_archive_failing 1\n' in must(i, 'metrics')
    e2e.wait_for(failing)
    assert not json.loads(i.cli('health', '--json').stdout)['audit_archive']


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
