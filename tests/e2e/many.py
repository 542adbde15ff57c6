#!/usr/bin/env python3
"""many.py BUILD TEST: backups of many keys: what they take, and that they come back. HOLDFAST_MANY=100000 is
the long form; times and memory are printed."""
import json
import os
import sys
import time

import e2e
from backup import PIN, Hsm, Lost

PEAK = f'{e2e.BUILD}/tests/e2e/peak'
MOST = 4096  # KiB: what a process may take more for many keys than for few


def fill(h, many):
    """fill makes keys of several types with many threads, which the store makes durable together."""
    h.i.must('many', PIN, str(many), '50')


def memory(pid, what):
    for line in open(f'/proc/{pid}/status', encoding='ascii'):
        if line.startswith(what):
            return int(line.split()[1])
    raise AssertionError(f'no {what}')


class Phase:
    """Phase runs a command of holdfast, and knows what each process took for it: the command its most, vault
    and keeper their most above what they hold when it is over (which is the objects)."""

    def __init__(self, h, name, *args):
        told, pids = f'{h.i.home}/peak', h.i.roles()
        for pid in pids.values() if os.geteuid() == 0 else ():
            with open(f'/proc/{pid}/clear_refs', 'w', encoding='ascii') as f:
                f.write('5')  # the most counts from now
        began = time.monotonic()
        r = h.i.run(PEAK, told, f'{e2e.BUILD}/holdfast', *args)
        self.seconds = time.monotonic() - began
        assert r.returncode == 0, (name, r.stderr)
        assert h.i.roles() == pids, (name, h.i.log())
        self.out = r.stdout
        self.most = {'command': int(open(told, encoding='ascii').read())}
        for role, pid in pids.items():
            self.most[role] = memory(pid, 'VmHWM') - memory(pid, 'VmRSS')
        print(f'{name}: {self.seconds:.1f} s; KiB: {self.most}', flush=True)


def told(h, many):
    """told: what the HSM says of its objects, one by one, where they are not too many for that."""
    if many > 10000:
        return None
    all_of_them = h.objects()
    assert len(all_of_them) == many
    return all_of_them


def run(i, many):
    """run is a machine's loss and its return: its phases by name."""
    with Lost(i) as (a, b):
        began = time.monotonic()
        fill(a, many)
        print(f'making {many} keys: {time.monotonic() - began:.1f} s', flush=True)
        found = {}

        def phase(h, name, *args):
            found[name] = Phase(h, name, *args)
            return found[name].out
        sealed, objects = ('--passphrase-file', a.passphrase), f'{a.file}-objects'
        phase(a, 'backup create --whole', 'backup', 'create', '--whole', *sealed, a.file)
        phase(a, 'backup create', 'backup', 'create', '--json', '--pin-file', a.pin, *sealed, objects)
        assert json.loads(found['backup create'].out)['objects'] == many, found['backup create'].out
        phase(a, 'backup create --base', 'backup', 'create', '--pin-file', a.pin, '--base', objects, *sealed,
              f'{a.file}-more')
        phase(a, 'backup inspect', 'backup', 'inspect', a.file)
        phase(a, 'backup verify', 'backup', 'verify', *sealed, a.file)
        before = told(a, many)
        a.i.stop()
        b.must('status')
        phase(b, 'backup restore, whole', 'backup', 'restore', *sealed, a.file)
        phase(b, 'backup rehearse', 'backup', 'rehearse', '--json', *sealed, objects)
        got = json.loads(found['backup rehearse'].out)
        assert got['keys used'] == many and got['failed'] == 0, got
        phase(b, 'backup restore --dry-run', 'backup', 'restore', '--json', '--dry-run', '--pin-file', b.pin,
              *sealed, objects)  # the vault compares all of each object, secrets too
        got = json.loads(found['backup restore --dry-run'].out)
        assert got == {'backup': objects, 'dry run': True, 'same': many}, got
        assert before == told(b, many), 'the two differ'
        print('the objects of both do not differ')
        b.must('partition', 'delete', json.loads(b.must('partition', 'list', '--json'))[0]['serial'], '--yes')
        Hsm(b.i)
        phase(b, 'backup restore, objects', 'backup', 'restore', '--pin-file', b.pin, *sealed, objects)
        assert told(b, many) == before
        return found


def test_a_lost_machine_is_back(i):
    """Many keys: backup, machine lost, restore elsewhere, rehearsal."""
    run(i, int(os.environ.get('HOLDFAST_MANY', '2000')))


def test_backups_of_many_keys_take_no_more_memory(i):
    """Beyond what the objects themselves take in the vault."""
    if os.geteuid() != 0:
        raise e2e.Skip('needs root to measure another process')
    few = run(e2e.Instance(f'{i.home}-few'), 1000)
    many = run(i, 6000)
    for name, phase in many.items():
        for process, most in phase.most.items():
            assert most - few[name].most[process] <= MOST, (name, process, few[name].most, phase.most)


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
