#!/usr/bin/env python3
"""run.py compares Holdfast with SoftHSM and with raw OpenSSL, in turns.

Each piece of work runs for a short time with each contender, one after the
other, several rounds; the figure is the median of the rounds and what counts
is the ratio, since machines are shared and noisy.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

SOFTHSM = ('/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so',
           '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so')
WORKS = ['rsa2048-sign', 'p256-sign', 'ed25519-sign', 'mldsa65-sign']
ALL = ['rsa2048-sign', 'rsa4096-sign', 'p256-sign', 'p384-sign', 'ed25519-sign', 'mldsa65-sign',
       'p256-verify', 'hmac-32', 'aes-gcm-16', 'aes-gcm-1k', 'aes-gcm-16k', 'aes-gcm-1m',
       'p256-generate', 'random-32', 'session-info']


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--build', default='build', help='build directory')
    p.add_argument('--work', action='append', help='one piece of work (may be repeated)')
    p.add_argument('--all', action='store_true', help='every piece of work')
    p.add_argument('--threads', default='1,2', help='thread counts, comma-separated')
    p.add_argument('--seconds', type=float, default=1.0, help='of one run')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--module', help='measure this PKCS#11 module instead of SoftHSM')
    p.add_argument('--json', help='write all figures to this file')
    return p.parse_args()


def contenders(args, scratch):
    """contenders yields (name, command, environment)."""
    bench = os.path.join(args.build, 'tests/bench')
    driver = os.path.join(bench, 'bench_pkcs11')
    ours = os.path.abspath(os.path.join(args.build, 'libholdfast-pkcs11.so'))
    yield 'holdfast', [driver, ours], {'HOLDFAST_HOME': os.path.join(scratch, 'holdfast')}
    other = args.module or next((m for m in SOFTHSM if os.path.exists(m)), None)
    if other:
        tokens = os.path.join(scratch, 'softhsm')
        os.makedirs(tokens)
        conf = os.path.join(scratch, 'softhsm2.conf')
        with open(conf, 'w') as f:
            f.write(f'directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n')
        yield 'module' if args.module else 'softhsm', [driver, other], {'SOFTHSM2_CONF': conf}
    else:
        print('SoftHSM is not installed: not compared', file=sys.stderr)
    yield 'openssl', [os.path.join(bench, 'bench_openssl')], {}


def one(command, env, work, threads, seconds):
    r = subprocess.run(command + [work, str(threads), str(seconds)], env={**os.environ, **env},
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return json.loads(r.stdout) if r.returncode == 0 and r.stdout else None


def measure(args, who, work, threads):
    rounds = {name: [] for name, _, _ in who}
    for _ in range(args.rounds):
        for name, command, env in who:
            r = one(command, env, work, threads, args.seconds)
            if r:
                rounds[name].append(r)
    return {name: {k: statistics.median(r[k] for r in rs) for k in ('per_second', 'p50_us', 'p99_us')}
            for name, rs in rounds.items() if rs}


def ratio(row, other):
    if other not in row or 'holdfast' not in row:
        return '–'
    return f"{row['holdfast']['per_second'] / row[other]['per_second']:.2f}"


def main():
    args = arguments()
    scratch = tempfile.mkdtemp(prefix='holdfast-bench-')
    works = args.work or (ALL if args.all else WORKS)
    out = []
    try:
        who = list(contenders(args, scratch))
        names = [n for n, _, _ in who]
        head = ['work', 'threads'] + [n + '/s' for n in names] + ['p50 µs', 'p99 µs'] + \
            ['÷ ' + n for n in names[1:]]
        print('| ' + ' | '.join(head) + ' |\n' + '| --- ' * len(head) + '|', flush=True)
        for work in works:
            for threads in map(int, args.threads.split(',')):
                row = measure(args, who, work, threads)
                out.append({'work': work, 'threads': threads, **row})
                ours = row.get('holdfast', {})
                cells = [work, str(threads)]
                cells += [f"{row[n]['per_second']:.0f}" if n in row else '–' for n in names]
                cells += [f"{ours[k]:.1f}" if ours else '–' for k in ('p50_us', 'p99_us')]
                cells += [ratio(row, n) for n in names[1:]]
                print('| ' + ' | '.join(cells) + ' |', flush=True)
    finally:
        stop = os.path.join(args.build, 'holdfast')
        if os.path.exists(stop):
            subprocess.run([stop, 'stop'], env={**os.environ, 'HOLDFAST_HOME': scratch + '/holdfast'},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(scratch, ignore_errors=True)
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(out, f, indent=1)
    return 0 if all('holdfast' in r for r in out) else 1


if __name__ == '__main__':
    sys.exit(main())
