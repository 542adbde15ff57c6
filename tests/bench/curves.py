#!/usr/bin/env python3
"""curves.py measures how Holdfast grows: with threads, processes, the length of data, the number
of keys and of sessions; writes DIR/curves.json and a picture DIR/NAME.svg for each curve.
--draw only draws them again."""
import argparse
import json
import math
import os
import time

from run import bench, duration, program, save

THREADS = (1, 2, 4, 8, 16, 32, 64)
SIZES = {16: 'aes-gcm-16', 256: 'aes-gcm-256', 1024: 'aes-gcm-1k', 4096: 'aes-gcm-4k',
         16384: 'aes-gcm-16k', 65536: 'aes-gcm-64k', 262144: 'aes-gcm-256k', 1048576: 'aes-gcm-1m'}
COLOURS = {'holdfast': '#1764ab', 'softhsm': '#c2571a', 'module': '#c2571a', 'openssl': '#4d8b31',
           'nss': '#7a4fa3'}


def rate(r):
    return r and r['per_second']


def by_threads(work):
    return lambda c, n, seconds: rate(c.run(work, n, seconds))


def bytes_of_size(c, n, seconds):
    r = c.run(SIZES[n], 1, seconds)
    return r and r['per_second'] * n / 1e6


def by_objects(c, n, seconds):
    """by_objects gives the median time of one search, in microseconds."""
    if c.module is None or (c.name != 'holdfast' and n > 10000):
        return None
    r = c.run('find-label', 1, seconds, n)
    return r and r['p50_us']


def by_token_objects(c, n, seconds):
    """by_token_objects is by_objects with durable keys, which the token keeps; ours only."""
    if c.name != 'holdfast':
        return None
    r = c.run('find-token', 1, seconds, n)
    return r and r['p50_us']


def by_sessions(c, n, seconds):
    if c.module is None:
        return None
    return rate(c.run('many-sessions', 2, seconds, n))


def by_processes(c, n, seconds):
    """by_processes gives a lower bound (Contender.processes)."""
    if c.module is None:
        return None
    did, r = c.processes('p256-sign', n, seconds + n / 50)
    return rate(r) if did == n else None


CURVES = {  # name: (title, what the x axis shows, the y axis, the x values, how to measure)
    'threads-p256': ('P-256 signatures', 'client threads', 'a second', THREADS, by_threads('p256-sign')),
    'threads-rsa2048': ('RSA-2048 signatures', 'client threads', 'a second', THREADS,
                        by_threads('rsa2048-sign')),
    'threads-generate': ('durable P-256 key pairs', 'client threads', 'a second', THREADS,
                         by_threads('p256-generate')),
    'sizes-gcm': ('AES-256-GCM, one thread', 'bytes a call', 'MB a second', tuple(SIZES), bytes_of_size),
    'objects-find': ('finding one key by label', 'keys', 'µs', (100, 1000, 10000, 100000),
                     by_objects),
    'sessions-p256': ('P-256 signatures by 2 threads in all sessions in turn', 'sessions', 'a second',
                      (1, 10, 100, 1000, 10000), by_sessions),
    'processes-p256': ('P-256 signatures, starts included', 'client processes', 'a second',
                       (1, 2, 4, 8, 16, 32, 64), by_processes),
    # The last one: its keys are read after each login of what would follow.
    'objects-token': ('finding one durable key by label', 'keys', 'µs', (1000, 10000, 100000), by_token_objects),
}


def measure(who, names, seconds):
    out = {}
    for name in names:
        points, f = CURVES[name][3:]
        began = time.monotonic()
        out[name] = {c.name: [[n, v] for n in points if (v := f(c, n, seconds)) is not None] for c in who}
        print(f'{name}: {time.monotonic() - began:.0f} s', json.dumps(out[name]), flush=True)
    return out


# --- pictures ------------------------------------------------------------------------------------

W, H, LEFT, TOP = 640, 360, 80, 40
WIDE, HIGH = W - LEFT - 110, H - TOP - 60


def powers(low, high, base):
    """powers lists the powers of the base from at most low to at least high."""
    n = 1
    while n > low:
        n /= base
    ticks = [n]
    while ticks[-1] < high:
        ticks.append(ticks[-1] * base)
    return ticks


def shown(n):
    for unit, size in (('M', 1e6), ('k', 1e3)):
        if n >= size:
            return f'{n / size:g}{unit}'
    return f'{n:g}'


class Axis:
    """Axis is logarithmic, from its first tick to its last."""

    def __init__(self, values, length, base):
        self.ticks, self.length = powers(min(values), max(values), base), length

    def at(self, v):
        first, last = self.ticks[0], self.ticks[-1]
        whole = 1 if last == first else math.log(last / first)
        return self.length * math.log(v / first) / whole


def svg(title, x_name, y_name, lines):
    points = [p for line in lines.values() for p in line]
    x = Axis([p[0] for p in points], WIDE, 10 if max(p[0] for p in points) > 100000 else 2)
    y = Axis([p[1] for p in points], HIGH, 10 if max(p[1] for p in points) > 64 * min(p[1] for p in points) else 2)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" font-family="sans-serif" '
           f'font-size="12"><rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="15">{title}</text>',
           f'<text x="{LEFT + WIDE / 2}" y="{H - 15}" text-anchor="middle">{x_name}</text>',
           f'<text x="18" y="{TOP + HIGH / 2}" text-anchor="middle" '
           f'transform="rotate(-90 18 {TOP + HIGH / 2})">{y_name}</text>']
    for t in x.ticks:
        at = LEFT + x.at(t)
        out.append(f'<path d="M{at:.1f} {TOP}v{HIGH}" stroke="#ddd"/>'
                   f'<text x="{at:.1f}" y="{TOP + HIGH + 18}" text-anchor="middle">{shown(t)}</text>')
    for t in y.ticks:
        at = TOP + HIGH - y.at(t)
        out.append(f'<path d="M{LEFT} {at:.1f}h{WIDE}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{shown(t)}</text>')
    for i, (name, line) in enumerate(lines.items()):
        at = [(LEFT + x.at(a), TOP + HIGH - y.at(b)) for a, b in line]
        colour = COLOURS[name]
        out.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in at)}" fill="none" '
                   f'stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in at]
        out.append(f'<text x="{LEFT + WIDE + 10}" y="{TOP + 14 + 18 * i}" fill="{colour}">{name}</text>')
    return '\n'.join(out + ['</svg>\n'])


def draw(curves, folder):
    for name, lines in curves.items():
        title, x_name, y_name = CURVES[name][:3]
        kept = {who: line for who, line in lines.items() if line}
        with open(os.path.join(folder, f'{name}.svg'), 'w', encoding='utf-8') as f:
            f.write(svg(title, x_name, y_name, kept))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--build', default='build')
    p.add_argument('--seconds', type=duration, default=1.0, help='of each point')
    p.add_argument('--million', action='store_true', help='durable keys up to 1,000,000 (some minutes more)')
    p.add_argument('--curve', action='append', choices=CURVES, help='only this one (may be repeated)')
    p.add_argument('--draw', action='store_true', help='draw what was measured before')
    p.add_argument('folder', help='where the figures and pictures go')
    args = p.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    if args.million:
        CURVES['objects-token'] = (*CURVES['objects-token'][:3], (1000, 10000, 100000, 1000000),
                                   by_token_objects)
    kept, curves = os.path.join(args.folder, 'curves.json'), {}
    if os.path.exists(kept):
        with open(kept, encoding='utf-8') as f:
            curves = json.load(f)
    if not args.draw:
        save(kept, curves)
        with bench(args.build) as who:
            curves.update(measure(who, args.curve or CURVES, args.seconds))
        save(kept, curves)
    draw(curves, args.folder)
    return 0


if __name__ == '__main__':
    program(main)
