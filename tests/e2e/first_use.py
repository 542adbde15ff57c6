#!/usr/bin/env python3
"""first_use.py BUILD TEST: keys are found by label right after a login, before all of them are in memory;
whatever was killed, and whatever somebody did to the store."""
import contextlib
import random
import sqlite3
import sys
import threading

import e2e

PIN = '87654321'  # the driver's
MANY = 6000  # keys: some pages of the store


def made(i):
    """made: an instance with many keys; the labels of those that are pairs."""
    i.must('init', 'e2e')
    i.must('many', PIN, str(MANY), '16')
    return [f'many{n}' for n in range(8, MANY, 8) if n % 2000 != 0]


def lives(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def kill_for_good(i, role):
    """kill_for_good: vault and keeper end with any of them; who comes later talks to none that does not know yet."""
    before = i.roles()
    if role != 'monitor' and role not in before:
        return  # it is being started again
    i.kill(role)
    e2e.wait_for(lambda: not any(map(lives, before.values())))


def found(i, labels, kill=None):
    """found: each label once, both halves, right after the login; a call that a death interrupts may fail."""
    p = i.popen('check')
    t = threading.Timer(random.uniform(0, 0.3), kill_for_good, [i, kill]) if kill else None
    if t:
        t.start()
    out, _ = p.communicate('\n'.join(labels))
    if t:
        t.join()
    if kill and out == '':
        return
    assert p.returncode == 0 and f'{len(labels)} keys, 0 wrong' in out, (p.returncode, out)


def test_a_label_is_found_at_once_whatever_is_killed(i):
    labels = made(i)
    for _ in range(8):
        kill_for_good(i, random.choice(['vault', 'keeper', 'monitor']))
        found(i, random.sample(labels, 3))
        found(i, random.sample(labels, 3), random.choice(['vault', 'keeper']))
    found(i, labels)


@contextlib.contextmanager
def store(i):
    db = sqlite3.connect(f'{i.home}/data/store.db')
    try:
        yield db
        db.commit()
    finally:
        db.close()


def private_records(i):
    with store(i) as db:
        return [(n, v) for n, v in db.execute('SELECT name, value FROM records') if b'/prv/' in n]


def test_changed_tags_are_a_damaged_store(i):
    """A tag that leads elsewhere is told as damage, and its record is not used."""
    labels = made(i)
    i.stop()
    tags = {}
    records = private_records(i)
    for name, value in records:
        assert value[0] == 2 and value[9] == 1, value[:10]  # tags, and what is sealed behind them
        tags.setdefault(value[1:5], []).append((name, value))
    assert len(tags) > MANY // 3, len(tags)
    name, value = random.choice(records)
    with store(i) as db:
        db.execute('UPDATE records SET value = ? WHERE name = ?',
                   (value[:1] + random.choice(list(tags)) + b'\1' + value[6:], name))
    r = i.driver('check', input='\n'.join(labels))
    assert f'{len(labels)} keys, ' in r.stdout and r.stdout.strip().endswith((' 0 wrong', ' 1 wrong')), r.stdout
    e2e.wait_for(lambda: name.decode() in i.log())


def test_a_store_of_the_format_before_is_read(i):
    """Its format is counted up, and what it holds is found."""
    labels = made(i)
    i.stop()
    with store(i) as db:
        assert db.execute('PRAGMA user_version').fetchone() == (2,)
        db.execute('PRAGMA user_version = 1')
    found(i, labels[:5])
    assert 'format 1 is brought to 2' in i.log(), i.log()


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
