#!/usr/bin/env python3
"""mixes.py: long mixes of work: many threads, sessions and processes against one, and what a client that
makes a large RSA key does to the latency of another one's signatures. Prints a table; --json writes the
figures. --short: smaller numbers, a few seconds. Ends with 1 if something could not be done at all."""
import argparse
import subprocess
import sys
import time

from run import bench, duration, program, save, whole

WORK = 'p256-sign'


class Mix:
    """Mix measures our module, and keeps rows of the table."""

    def __init__(self, ours, args):
        self.ours, self.args, self.rows, self.whole = ours, args, [], True

    def run(self, work, threads, seconds, objects=1000):
        r = self.ours.run(work, threads, seconds, objects)
        self.whole = self.whole and r is not None
        return r

    def add(self, name, r, **more):
        row = {'mix': name, **(r or {}), **more}
        self.rows.append(row)
        cells = [name] + [f'{row[k]:.1f}' if k in row else '–' for k in ('per_second', 'p50_us', 'p99_us')]
        cells += [f'{row[k]:.2f}' if k in row else '–' for k in ('of_best', 'p99_of_p50', 'p99_of_alone')]
        print('| ' + ' | '.join(cells) + ' |', flush=True)

    def judge(self, name, r, best):
        if r is None:
            self.add(name, None)
            return
        self.add(name, r, of_best=r['per_second'] / best, p99_of_p50=r['p99_us'] / r['p50_us'])


def by_threads(m):
    """by_threads measures some numbers of threads; the best rate is what the other mixes are held against.
    Returns it, and the number of threads that came to it."""
    found = {n: m.run(WORK, n, m.args.seconds) for n in (1, 2, 4, m.args.threads)}
    best, threads = max((r['per_second'], n) for n, r in found.items() if r)
    for n, r in found.items():
        m.judge(f'{n} threads', r, best)
    return best, threads


def by_sessions(m, best, threads):
    """by_sessions: as many threads as did best, so that the sessions make the difference, and two."""
    for n in sorted({2, threads}):
        r = m.run('many-sessions', n, m.args.seconds, m.args.sessions)
        m.judge(f'{m.args.sessions} sessions, {n} threads', r, best)


def by_processes(m, best):
    """by_processes has all of them connected at once."""
    n, began = m.args.processes, time.monotonic()
    did, r = m.ours.processes(WORK, n, m.args.seconds + n / 40)
    m.whole = m.whole and did == n
    print(f'{did} of {n} processes did their work, {time.monotonic() - began:.0f} s', file=sys.stderr)
    m.judge(f'{n} processes, with their starts', r, best)
    did, took, r = m.ours.together(WORK, n, m.args.seconds)
    m.whole = m.whole and did == n
    m.judge(f'{n} processes', r, best)
    if r:
        print(f'{did} of {n} processes worked at the same time, ready after {took:.0f} s; the last one did '
              f'{r["least"]:.2f} of the mean', file=sys.stderr)


def beside_generation(m):
    """beside_generation: another process makes large RSA keys all the while."""
    alone = m.run(WORK, 1, m.args.seconds)
    command = [m.ours.cli, 'bench', '--json', '--init', '--keep', '--pin-fd', '0', '--module', m.ours.module,
               '--work', m.args.key, '--threads', '1', '--seconds', str(m.args.generation)]
    with subprocess.Popen(command, env=m.ours.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, text=True) as maker:
        try:
            maker.stdin.write('12345678\n')
            maker.stdin.close()
            time.sleep(min(1, m.args.generation / 4))
            beside = m.run(WORK, 1, max(m.args.seconds, m.args.generation / 2))
            while_made = maker.poll() is None
        finally:
            maker.terminate()
    m.add('1 thread, alone', alone)
    if alone and beside:
        m.add(f'1 thread beside {m.args.key}' + ('' if while_made else ' (which ended before)'), beside,
              p99_of_alone=beside['p99_us'] / alone['p99_us'])


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--build', default='build', help='build directory')
    p.add_argument('--seconds', type=duration, default=5.0, help='of one run')
    p.add_argument('--threads', type=whole, default=64)
    p.add_argument('--sessions', type=whole, default=10000)
    p.add_argument('--processes', type=whole, default=1000)
    p.add_argument('--generation', type=duration, default=60.0, help='seconds of key generation')
    p.add_argument('--key', default='rsa8192-generate', help='the work of the client that is in the way')
    p.add_argument('--short', action='store_true', help='smaller numbers, a few seconds')
    p.add_argument('--json', help='write all figures to this file')
    args = p.parse_args()
    if args.short:
        args.seconds, args.threads, args.sessions, args.processes = 0.1, 16, 200, 8
        args.generation = 2
    return args


def main():
    args, began = arguments(), time.monotonic()
    save(args.json, [])
    with bench(args.build) as who:
        m = Mix(who[0], args)
        print('| mix | a second | p50 µs | p99 µs | of the best | p99 ÷ p50 | p99 ÷ alone |')
        print('| --- | --- | --- | --- | --- | --- | --- |')
        best, threads = by_threads(m)
        by_sessions(m, best, threads)
        by_processes(m, best)
        beside_generation(m)
    print(f'{time.monotonic() - began:.0f} s', file=sys.stderr)
    save(args.json, m.rows)
    return 0 if m.whole else 1


if __name__ == '__main__':
    program(main)
