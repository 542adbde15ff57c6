#!/usr/bin/env python3
"""backup_faults.py BUILD TEST: a backup or a restore when a disk is full or read-only, or a process dies in the
middle: no half of either is left, what was there works on, it is said, and the same command goes through later."""
import glob
import json
import os
import subprocess
import sys
import time

import e2e
from backup import PIN, Bare, Hsm, Lost, away
from faults import Disk


def made(h, many):
    """made fills it, and returns a backup of its objects and one of the whole HSM."""
    h.i.must('many', PIN, str(many), '50')
    sealed = ('--passphrase-file', h.passphrase)
    h.must('backup', 'create', '--pin-file', h.pin, *sealed, h.file)
    h.must('backup', 'create', '--whole', *sealed, h.file + '-whole')
    return h.file, h.file + '-whole'


def ended(r, words):
    assert r.returncode == 1 and words in r.stderr, (r.returncode, r.stdout, r.stderr)


class Apart:
    """Apart is a second HSM whose data lie on a small disk of their own."""

    def __init__(self, i, size):
        self.i = e2e.Instance(f'{i.home}-disk')
        self.disk = Disk(self.i, size)

    def __enter__(self):
        return self.i, self.disk

    def __exit__(self, *_):
        self.i.stop()
        self.disk.remount('rw')
        self.disk.umount(self.i)


def test_a_backup_onto_a_read_only_disk_says_so(i):
    h = Hsm(i)
    h.generate('k')
    with Apart(i, '4m') as (other, disk):
        if not disk.remount('ro'):
            raise e2e.Skip('the disk cannot be made read-only here')
        for more in (('--pin-file', h.pin), ('--whole',)):
            r = h.cli('backup', 'create', *more, '--passphrase-file', h.passphrase, f'{other.home}/k.backup')
            ended(r, 'Read-only file system; no backup was made')
        assert not glob.glob(f'{other.home}/k.backup*')
        disk.remount('rw')
        h.must('backup', 'create', '--pin-file', h.pin, '--passphrase-file', h.passphrase, f'{other.home}/k.backup')


def test_an_hsm_on_a_read_only_disk_says_so(i):
    """To backup and restore alike; nothing is changed, and with the disk writable both go through."""
    a = Hsm(i)
    objects, whole = made(a, 300)
    with Apart(i, '64m') as (other, disk):
        b = Bare(other)
        b.must('status')
        other.stop()
        e2e.wait_for(lambda: disk.remount('ro'))
        ended(b.restore(whole), 'Read-only file system')
        ended(b.cli('backup', 'create', '--whole', '--passphrase-file', b.passphrase, f'{i.home}/none'),
              'Read-only file system')
        assert not glob.glob(f'{i.home}/none*')
        disk.remount('rw')
        assert json.loads(b.must('partition', 'list', '--json')) == []
        b.restored(whole)
        assert b.restored(objects)['same'] == 300


def test_a_restore_onto_a_full_disk_goes_on_when_there_is_room(i):
    a = Hsm(i)
    objects, whole = made(a, 3000)
    with Apart(i, '64m') as (other, disk):
        b = Bare(other)
        b.must('status')
        disk.fill()
        r = b.restore(whole)
        assert r.returncode == 1, r.stdout
        assert any(x in r.stderr for x in ('could not be kept', 'did not take')), r.stderr
        disk.free()
        e2e.wait_for(lambda: json.loads(b.cli('health', '--json').stdout)['audit'])
        assert json.loads(b.must('partition', 'list', '--json')) == []
        b.restored(whole)
        assert b.restored(objects)['same'] == 3000
        assert json.loads(b.must('status', '--json'))['damaged records'] == '0'


def test_a_backup_whose_hsm_dies_leaves_no_file(i):
    """Vault, keeper and the whole daemon, at several moments; signing goes on afterwards, and the next is whole."""
    h = Hsm(i)
    i.must('many', PIN, '3000', '50')
    broken = 0
    for n in range(9):
        for more in (('--whole',), ('--pin-file', h.pin)):
            path = f'{i.home}/cut-{n}{len(more)}'
            p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'create', *more, '--passphrase-file',
                                  h.passphrase, path], env=i.env, text=True, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)
            e2e.wait_for(lambda p=p, path=path: p.poll() is not None or os.path.exists(path + '.part'))
            time.sleep(0.01 * (n // 3))
            i.kill(('vault', 'keeper', 'monitor')[n % 3])
            err = p.communicate(timeout=60)[1]
            broken += p.returncode != 0
            assert (p.returncode == 0) == os.path.exists(path), err
            assert p.returncode == 0 or err.startswith('holdfast: '), err
            assert not os.path.exists(path + '.part')
            if p.returncode == 0:
                assert away(h, 'verify', path, '--passphrase-file', h.passphrase).returncode == 0
    assert broken > 0, 'none was cut short'
    assert h.create()['objects'] == 3000
    print(f'{broken} of 18 cut short')


def test_a_restore_whose_hsm_dies_is_repeated(i):
    with Lost(i) as (a, b):
        objects, whole = made(a, 3000)
        broken = 0
        for n in range(6):
            p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'restore', '--on-collision', 'skip',
                                  '--passphrase-file', b.passphrase, whole], env=b.i.env, text=True,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(0.15 * (n % 3 + 1))
            b.i.kill(('keeper', 'monitor')[n % 2])
            err = p.communicate(timeout=60)[1]
            broken += p.returncode != 0
            assert p.returncode == 0 or err.startswith('holdfast: '), err
            left = json.loads(b.must('partition', 'list', '--json'))
            assert len(left) <= 1 and (p.returncode != 0 or len(left) == 1), left
        b.restored(whole, '--on-collision', 'skip')
        assert b.restored(objects)['same'] == 3000
        print(f'{broken} of 6 cut short')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
