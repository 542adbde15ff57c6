#!/usr/bin/env python3
"""bench.py BUILD TEST: `holdfast bench` takes its own keys with it and no others; it and tests/bench/*.py say
what is wrong before they measure."""
import json
import os
import shutil
import signal
import subprocess
import sys

import e2e

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bench')
PIN = '12345678\n'
LONG = ('--work', 'p256-generate', '--seconds', '300', '--threads', '4')


def command(*args):
    return [f'{e2e.BUILD}/holdfast', 'bench', '--json', '--init', '--pin-fd', '0', *args]


def bench(i, *args):
    return i.run(*command('--seconds', '0.05', '--threads', '1', *args), input=PIN)


def started(i, *args, **kw):
    p = subprocess.Popen(command(*args), env=i.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, **kw)
    p.stdin.write(PIN)
    p.stdin.close()
    p.stdin = None
    return p


def ready(i, fd, *args):
    """ready: such a run, when its first work waits for fd's end."""
    p = started(i, '--seconds', '0.05', '--threads', '1', '--wait-fd', str(fd), *args, pass_fds=[fd])
    assert p.stderr.readline() == 'ready\n'
    return p


def begun(i, *args):
    """begun: such a run, when it has made keys."""
    before = len(keys(i))
    p = started(i, *args)
    e2e.wait_for(lambda: p.poll() is not None or len(keys(i)) > before)
    assert p.poll() is None, p.communicate()
    return p


def keys(i):
    r = i.run(f'{e2e.BUILD}/holdfast', 'object', 'list', '--json', '--pin-fd', '0', input=PIN)
    assert r.returncode == 0, r.stderr
    return [o['label'] for o in json.loads(r.stdout)]


def test_a_run_leaves_the_keys_of_another(i):
    """What ends sooner takes away neither the keys of what goes on nor those that were kept."""
    assert bench(i, '--keep', '--work', 'p256-sign').returncode == 0
    kept = keys(i)
    assert kept and set(kept) == {'holdfast-bench p256-sign'}, kept
    start, go = os.pipe()
    p = ready(i, start, '--work', 'p256-sign')
    r = bench(i, '--work', 'p256-sign')
    assert r.returncode == 0 and r.stderr == '', r.stderr
    assert len(keys(i)) > len(kept)
    os.close(go)
    out, err = p.communicate()
    os.close(start)
    assert p.returncode == 0 and err == '' and json.loads(out), err
    assert keys(i) == kept


def test_a_signal_takes_the_keys_along(i):
    assert bench(i, '--work', 'p256-sign').returncode == 0
    for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        p = begun(i, *LONG)
        p.send_signal(n)
        out, err = p.communicate()
        assert p.returncode == -n and json.loads(out) == [] and err == '', (out, err)
        assert keys(i) == []


def test_a_signal_ends_the_wait_and_the_making_of_keys(i):
    assert bench(i, '--work', 'p256-sign').returncode == 0
    p = begun(i, '--work', 'find-token', '--objects', '10000000')
    p.terminate()
    assert p.wait() == -signal.SIGTERM
    start, go = os.pipe()
    p = ready(i, start, '--work', 'p256-sign')
    p.terminate()
    assert p.wait() == -signal.SIGTERM
    os.close(go)
    os.close(start)
    assert keys(i) == []


def test_what_was_finished_before_a_signal_is_printed(i):
    assert bench(i, '--work', 'p256-sign').returncode == 0
    us, it = os.openpty()  # a terminal comes to its end more than once
    p = ready(i, it, '--work', 'random-32,p256-sign')
    os.write(us, b'\x04')
    assert p.stderr.readline() == 'ready\n'
    p.terminate()
    out, err = p.communicate()
    assert p.returncode == -signal.SIGTERM and [r['work'] for r in json.loads(out)] == ['random-32'], (out, err)
    os.close(us)
    os.close(it)


def test_the_next_run_removes_what_a_killed_one_left(i):
    assert bench(i, '--work', 'p256-sign').returncode == 0
    p = begun(i, *LONG)
    p.kill()
    os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)  # it is still there for its parent
    left = keys(i)
    assert left and all(f'.{p.pid} ' in k for k in left), left[:3]
    assert bench(i, '--keep', '--work', 'random-32').returncode == 0
    assert keys(i) == left
    assert bench(i, '--work', 'random-32').returncode == 0
    assert keys(i) == []
    p.communicate()


def test_keys_go_after_the_work_that_logs_out(i):
    r = bench(i, '--work', 'p256-sign,initialize,p256-sign,initialize')
    assert r.returncode == 0, r.stderr
    assert keys(i) == []


def test_a_failure_is_named(i):
    assert bench(i, '--work', 'p256-sign').returncode == 0
    r = i.run(*command(), input='wrong\n')
    assert r.returncode == 1 and 'C_Login: CKR_PIN_INCORRECT' in r.stderr, r.stderr
    p = begun(i, '--work', 'p256-sign', '--seconds', '300')
    pin = f'{i.home}-pin'
    with open(pin, 'w', encoding='utf-8') as f:
        f.write(PIN)
    for key in set(keys(i)):
        r = i.cli('object', 'delete', '--pin-file', pin, '--label', key, '--yes')
        assert r.returncode == 0, r.stderr
    p.terminate()
    err = p.communicate()[1]
    assert 'CKR_KEY_HANDLE_INVALID' in err or 'CKR_OBJECT_HANDLE_INVALID' in err, err


def test_what_cannot_be_measured_is_said_first(i):
    """Nobody is asked for a PIN before, and no daemon is started."""
    closed = os.dup(0)
    os.close(closed)
    with open(os.devnull, 'w', encoding='utf-8') as sink:
        for bad, what in ((['--module', ''], '--module wants the file'),
                          (['--module', '/no/such.so'], '/no/such.so: cannot open'),
                          (['--wait-fd', str(closed)], '--wait-fd wants'),
                          (['--wait-fd', str(sink.fileno())], '--wait-fd wants')):
            r = i.run(f'{e2e.BUILD}/holdfast', 'bench', *bad, stdin=subprocess.DEVNULL,
                      pass_fds=[sink.fileno()])
            assert r.returncode != 0 and what in r.stderr and 'PIN' not in r.stderr, (bad, r.stderr)
    assert not i.monitors()


def test_a_token_that_was_made_is_named(i):
    r = bench(i, '--work', 'random-32')
    assert r.returncode == 0 and "token 'bench', which --init made, stays" in r.stderr, r.stderr
    r = bench(i, '--work', 'random-32')
    assert r.returncode == 0 and r.stderr == '', r.stderr


# --- tests/bench --------------------------------------------------------------------------------------


def tool(i, name, *args, **kw):
    """tool calls one of the programs with temporary files where nothing else is."""
    place = f'{i.home}-tmp'
    os.makedirs(place, exist_ok=True)
    r = subprocess.run([sys.executable, '-B', f'{BENCH}/{name}.py', *args], text=True, check=False,
                       env={**i.env, 'TMPDIR': place}, stderr=subprocess.PIPE,
                       **{'stdout': subprocess.PIPE, **kw})
    assert 'Traceback' not in r.stderr and os.listdir(place) == [], (args, r.stderr, os.listdir(place))
    return r


def run_py(i, *args, **kw):
    return tool(i, 'run', '--build', e2e.BUILD, *args, **kw)


def test_the_comparison_refuses_what_is_senseless_first(i):
    for bad in (['--rounds', '0'], ['--seconds', '0'], ['--threads', '0'], ['--threads', '1,x'],
                ['--work', 'p256-sign,juggle'], ['--json', '/dev/full'], ['--json', f'{i.home}/no/such'],
                ['--module', '/no/such.so'], ['--build', '/no/such']):
        r = run_py(i, *bad)
        assert r.returncode > 0 and r.stdout == '' and bad[-1].split(',')[-1] in r.stderr, (bad, r)
    for name in ('mixes', 'curves'):
        assert tool(i, name, '--seconds', '0', '/dev/full').returncode == 2
    assert tool(i, 'curves', '--build', e2e.BUILD, '/dev/null').returncode == 1


def test_the_comparison_measures_works_with_commas(i):
    figures = f'{i.home}-figures'
    r = run_py(i, '--work', 'random-32,p256-sign', '--work', 'sha256-1k', '--threads', '1', '--seconds', '0.05',
               '--rounds', '1', '--json', figures)
    assert r.returncode == 0, r.stderr
    with open(figures, encoding='utf-8') as f:
        assert [row['work'] for row in json.load(f)] == ['random-32', 'p256-sign', 'sha256-1k']
    r = tool(i, 'page', figures)
    assert r.returncode == 0 and 'p256-sign' in r.stdout, r.stderr


def test_a_curve_is_drawn_for_whoever_was_measured(i):
    folder = f'{i.home}-curves'
    r = tool(i, 'curves', '--build', e2e.BUILD, '--curve', 'threads-p256', '--seconds', '0.01', folder)
    assert r.returncode == 0, r.stderr
    with open(f'{folder}/curves.json', encoding='utf-8') as f:
        names = [n for n, line in json.load(f)['threads-p256'].items() if line]
    with open(f'{folder}/threads-p256.svg', encoding='utf-8') as f:
        picture = f.read()
    assert 'holdfast' in names and all(f'>{n}</text>' in picture for n in names), names


def test_the_page_says_what_it_cannot_read(i):
    wrong = f'{i.home}-wrong'
    with open(wrong, 'w', encoding='utf-8') as f:
        f.write('{"a": 1}')
    for bad in ([], ['/no/such'], [wrong]):
        r = tool(i, 'page', *bad)
        assert r.returncode == 1 and r.stdout == '' and r.stderr, (bad, r)


def test_the_comparison_ends_when_nobody_reads(i):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w') as out:
        r = run_py(i, '--work', 'random-32', '--threads', '1', '--seconds', '0.05', '--rounds', '1', stdout=out)
    assert r.returncode == 128 + signal.SIGPIPE, r.stderr


def test_the_comparison_cleans_up_after_a_signal(i):
    for n in (signal.SIGTERM, signal.SIGINT):
        place = f'{i.home}-tmp'
        os.makedirs(place, exist_ok=True)
        with subprocess.Popen([sys.executable, '-B', f'{BENCH}/run.py', '--build', e2e.BUILD, '--work', 'p256-sign',
                               '--seconds', '300'], text=True, env={**i.env, 'TMPDIR': place},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            assert p.stdout.readline() and os.listdir(place)  # the table's head: tokens are there
            home = os.path.join(place, os.listdir(place)[0], 'holdfast')
            there = e2e.Instance(home)
            assert there.monitors()
            p.send_signal(n)
            err = p.communicate()[1]
        assert p.returncode == 128 + n and 'Traceback' not in err, err
        assert os.listdir(place) == []
        e2e.wait_for(lambda: not there.monitors())
        shutil.rmtree(place)


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
