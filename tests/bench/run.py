#!/usr/bin/env python3
"""run.py compares Holdfast with other PKCS#11 modules and with raw OpenSSL, in turns.

Each piece of work runs for a short time with each contender, one after the
other, several rounds; the figure is the median of the rounds and what counts
is the ratio, since machines are shared and noisy.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SOFTHSM = ('/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so',
           '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so')
NSS = ('/usr/lib/x86_64-linux-gnu/libsoftokn3.so', '/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so',
       '/usr/lib64/libsoftokn3.so')
WORKS = ['rsa2048-sign', 'p256-sign', 'ed25519-sign', 'mldsa65-sign']
ALL = ['rsa2048-sign', 'rsa4096-sign', 'p256-sign', 'p384-sign', 'ed25519-sign', 'mldsa65-sign',
       'p256-verify', 'rsa2048-verify', 'hmac-32', 'sha256-1k', 'aes-gcm-16', 'aes-gcm-1k',
       'aes-gcm-16k', 'aes-gcm-1m', 'p256-generate', 'random-32', 'session-open', 'find-label',
       'session-info', 'initialize', 'login']
PIN = '12345678'
KEYS = ('per_second', 'p50_us', 'p99_us')


class Contender:
    """Contender is a module, or raw OpenSSL (module None), that does a piece of work."""

    def __init__(self, name, build, module=None, env=None, options=()):
        self.name, self.module, self.options, self.failed = name, module, list(options), set()
        self.env = {**os.environ, **(env or {})}
        self.cli = os.path.join(build, 'holdfast')
        self.raw = os.path.join(build, 'tests/bench/bench_openssl')

    def command(self, work, threads, seconds, objects=1000):
        if self.module is None:
            return [self.raw, work, str(threads), str(seconds)]
        return [self.cli, 'bench', '--json', '--init', '--keep', '--pin-fd', '0', '--module', self.module,
                '--work', work, '--threads', str(threads), '--seconds', str(seconds),
                '--objects', str(objects), *self.options]

    def run(self, work, threads, seconds, objects=1000):
        """run returns {'per_second', 'p50_us', 'p99_us'}, or None where it cannot do the work, and says why."""
        r = subprocess.run(self.command(work, threads, seconds, objects), env=self.env, input=PIN + '\n',
                           stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if r.returncode == 0 and r.stdout:
            return json.loads(r.stdout)[0]
        if work not in self.failed:
            self.failed.add(work)
            print(f'{self.name}: {work}: ' + '; '.join(r.stderr.splitlines()[:2]), file=sys.stderr)
        return None

    def processes(self, work, n, seconds):
        """processes has n of them do the work, each for the same time, as many at a time as the machine gives
        them. They do not all work at the same time, so the rate is what all did by the time that it took,
        starts and logins among it: a lower bound. Returns how many did it, and what run returns."""
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            found = [r for r in pool.map(lambda _: self.run(work, 1, seconds), range(n)) if r]
        if not found:
            return 0, None
        took = time.monotonic() - began
        return len(found), {'per_second': sum(r['per_second'] for r in found) * seconds / took,
                            **{k: statistics.median(r[k] for r in found) for k in KEYS[1:]}}

    def together(self, work, n, seconds):
        """together has n processes do the work at the same time, when all of them are logged in. Returns how
        many did it, how long it took until all were ready, and what run returns, p99 of the worst."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        began, (start, go) = time.monotonic(), os.pipe()
        command = self.command(work, 1, seconds) + ['--wait-fd', str(start)]
        some = [subprocess.Popen(command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, pass_fds=[start]) for _ in range(n)]
        os.close(start)
        try:
            for p in some:
                p.stdin.write(PIN + '\n')
                p.stdin.flush()
            ready = [p.stderr.readline() == 'ready\n' for p in some]
            took = time.monotonic() - began
            os.close(go)
            found = [json.loads(p.communicate()[0] or '[{}]')[0] for p in some]
        finally:
            for p in some:
                p.kill()
        if not all(ready) or not all(found):
            return sum(map(bool, found)), took, None
        return n, took, {'per_second': sum(r['per_second'] for r in found),
                         'p50_us': statistics.median(r['p50_us'] for r in found),
                         'p99_us': max(r['p99_us'] for r in found),
                         'least': min(r['per_second'] for r in found) * n / sum(r['per_second'] for r in found)}


def nss(build, scratch):
    """nss is NSS's softoken with a data base of its own, or nothing where it is not installed."""
    module, place = next((m for m in NSS if os.path.exists(m)), None), os.path.join(scratch, 'nss')
    if module is None or shutil.which('certutil') is None:
        return []
    os.makedirs(place)
    with open(os.path.join(place, 'pin'), 'w', encoding='utf-8') as f:
        f.write(PIN + '\n')
    subprocess.run(['certutil', '-N', '-d', 'sql:' + place, '-f', os.path.join(place, 'pin')], check=True)
    text = f"configdir='sql:{place}' certPrefix='' keyPrefix='' secmod='secmod.db'"
    return [Contender('nss', build, module, options=['--module-init', text, '--partition', 'NSS Certificate DB'])]


def contenders(build, scratch, other=None):
    """contenders lists ours, SoftHSM and NSS or the module `other`, and raw OpenSSL."""
    ours = os.path.abspath(os.path.join(build, 'libholdfast-pkcs11.so'))
    found = [Contender('holdfast', build, ours, {'HOLDFAST_HOME': os.path.join(scratch, 'holdfast')})]
    softhsm = next((m for m in SOFTHSM if os.path.exists(m)), None)
    if other:
        found.append(Contender('module', build, other))
    elif softhsm:
        tokens, conf = os.path.join(scratch, 'softhsm'), os.path.join(scratch, 'softhsm2.conf')
        os.makedirs(tokens)
        with open(conf, 'w') as f:
            f.write(f'directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n')
        found.append(Contender('softhsm', build, softhsm, {'SOFTHSM2_CONF': conf}))
        found += nss(build, scratch)
    else:
        print('SoftHSM is not installed: not compared', file=sys.stderr)
    return found + [Contender('openssl', build)]


def measure(who, work, threads, seconds, rounds, objects=1000):
    """measure has each contender do the work, in turns; the medians by name, and the median of what the first
    one did a second by what that one did in the same turn, which says more where the machine's speed changes."""
    got = {c.name: [] for c in who}
    for _ in range(rounds):
        for c in who:
            got[c.name].append(c.run(work, threads, seconds, objects))
    row = {}
    for name, runs in got.items():
        done = [r for r in runs if r]
        pairs = [a['per_second'] / b['per_second'] for a, b in zip(got[who[0].name], runs) if a and b]
        if done:
            row[name] = {k: statistics.median(r[k] for r in done) for k in KEYS}
        if pairs:
            row[name]['ratio'] = statistics.median(pairs)
    return row


def ratio(row, other):
    return f"{row[other]['ratio']:.2f}" if 'ratio' in row.get(other, {}) else '–'


def table_row(work, threads, names, row):
    ours = row.get('holdfast', {})
    cells = [work, str(threads)]
    cells += [f"{row[n]['per_second']:.0f}" if n in row else '–' for n in names]
    cells += [f'{ours[k]:.1f}' if ours else '–' for k in KEYS[1:]]
    return cells + [ratio(row, n) for n in names[1:]]


def say(cells):
    print('| ' + ' | '.join(cells) + ' |', flush=True)


def compare(args, who):
    """compare prints the table and returns its rows."""
    names, out = [c.name for c in who], []
    say(['work', 'threads'] + [n + '/s' for n in names] + ['p50 µs', 'p99 µs'] +
        ['÷ ' + n for n in names[1:]])
    say(['---'] * (3 + 2 * len(names)))
    for work in args.work or (ALL if args.all else WORKS):
        for threads in args.threads:
            row = measure(who, work, threads, args.seconds, args.rounds)
            out.append({'work': work, 'threads': threads, **row})
            say(table_row(work, threads, names, row))
    return out


@contextlib.contextmanager
def scratch(build, homes):
    """scratch is a directory for tokens; at the end our daemons of these homes in it stop, and it goes."""
    place = tempfile.mkdtemp(prefix='holdfast-bench-')
    try:
        yield place
    finally:
        for home in homes:
            subprocess.run([os.path.join(build, 'holdfast'), 'stop'], check=False,
                           env={**os.environ, 'HOLDFAST_HOME': os.path.join(place, home)},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(place, ignore_errors=True)


def must_work(c):
    if c.run('session-info', 1, 0.1) is None:
        sys.exit(f'{c.module} cannot be measured: nothing was')


@contextlib.contextmanager
def bench(build, other=None):
    """bench is the contenders, with tokens that go at the end."""
    with scratch(build, ['holdfast']) as place:
        who = contenders(build, place, other)
        for c in who:
            if c.name in ('holdfast', 'module'):
                must_work(c)
        yield who


AUDIT = (('off', ['audit-key-use=none']),
         ('failures', ['audit-key-use=none', 'audit-failures=yes']),
         ('every-use', ['audit-key-use=every', 'audit-failures=yes']),
         ('every-call', ['audit-key-use=every', 'audit-all=yes']))


@contextlib.contextmanager
def audit_bench(build):
    """audit_bench is our module several times over, each instance with another level of audit."""
    with scratch(build, [name for name, _ in AUDIT]) as place:
        pin, who = os.path.join(place, 'pin'), []
        with open(pin, 'w', encoding='utf-8') as f:
            f.write(PIN + '\n')
        ours = os.path.abspath(os.path.join(build, 'libholdfast-pkcs11.so'))
        for name, policies in AUDIT:
            c = Contender(name, build, ours, {'HOLDFAST_HOME': os.path.join(place, name)})
            who.append(c)
            must_work(c)
            subprocess.run([c.cli, 'audit', 'config', '--so-pin-file', pin, *policies], env=c.env, check=True,
                           stdout=subprocess.DEVNULL)
        yield who


def compare_audit(args, who):
    """compare_audit prints what each level of audit leaves of the speed without."""
    names, out = [c.name for c in who], []
    say(['work', 'threads'] + [n + '/s' for n in names] + [n + ' ÷ off' for n in names[1:]])
    say(['---'] * (1 + 2 * len(names)))
    for work in args.work or ['p256-sign', 'ed25519-sign', 'rsa2048-sign', 'hmac-32']:
        for threads in args.threads:
            row = measure(who, work, threads, args.seconds, args.rounds)
            out.append({'work': work, 'threads': threads, **row})
            rate = {n: row[n]['per_second'] for n in names if n in row}
            say([work, str(threads)] + [f'{rate[n]:.0f}' if n in rate else '–' for n in names] +
                [f"{1 / row[n]['ratio']:.3f}" if 'ratio' in row.get(n, {}) else '–' for n in names[1:]])
    return out


def whole(text):
    """whole, numbers and duration are kinds of argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def numbers(text):
    return [whole(n) for n in text.split(',')]


def duration(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.001 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0.001 to 3600")
    return value


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--build', default='build', help='build directory')
    p.add_argument('--work', action='extend', type=lambda names: names.split(','),
                   help='only these pieces of work, comma-separated (may be repeated)')
    p.add_argument('--audit', action='store_true', help='compare the levels of audit instead')
    p.add_argument('--all', action='store_true', help='every piece of work')
    p.add_argument('--threads', type=numbers, default=[1, 2], help='thread counts, comma-separated')
    p.add_argument('--seconds', type=duration, default=1.0, help='of one run')
    p.add_argument('--rounds', type=whole, default=3)
    p.add_argument('--module', help='measure this PKCS#11 module instead of SoftHSM')
    p.add_argument('--json', help='write all figures to this file')
    return p.parse_args()


def check(args):
    """check ends the program if there is nothing to measure, or not what is asked for."""
    cli = os.path.join(args.build, 'holdfast')
    if not os.path.exists(cli):
        sys.exit(f'there is no {cli}: build first, and call this from the project\'s directory or with --build DIR')
    known = subprocess.run([cli, 'bench', '--work', '?'], stderr=subprocess.PIPE, text=True).stderr.split('but: ')[1]
    for work in args.work or []:
        if work not in known.split():
            sys.exit(f"there is no work '{work}', but: {known}")


def save(path, figures):
    """save writes them, if there is a path. It is called with none first: what cannot be written is said
    before anything is measured."""
    try:
        if path:
            with open(path, 'w', encoding='utf-8') as f:
                f.write(json.dumps(figures, indent=1) + '\n')
    except OSError as e:
        sys.exit(f'{path}: {e.strerror}')


def end(number, _):
    """end has a signal end the program as sys.exit does, so that what is under way is cleaned up, once."""
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, signal.SIG_IGN)
    sys.exit(128 + number)


def program(main):
    """program ends with what main returns, and says in a line what the system did not let it do."""
    for s in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(s) != signal.SIG_IGN:
            signal.signal(s, end)
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # nobody reads any more, nor what is left to be written at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as e:
        sys.exit(f'{e.filename}: {e.strerror}' if e.filename else e.strerror)


def main():
    args = arguments()
    check(args)
    save(args.json, [])
    with audit_bench(args.build) if args.audit else bench(args.build, args.module) as who:
        out = compare_audit(args, who) if args.audit else compare(args, who)
    save(args.json, out)
    return 0 if all('off' in r if args.audit else 'holdfast' in r for r in out) else 1


if __name__ == '__main__':
    program(main)
