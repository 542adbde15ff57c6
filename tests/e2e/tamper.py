#!/usr/bin/env python3
"""tamper.py BUILD TEST: what the daemon notices by itself, and what follows; what is left
when it is all over. As e2e.py, which it stands on."""
import ctypes
import json
import os
import signal
import struct
import sys

import e2e
from e2e import Skip, wait_for

PIN = '12345678'
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


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
