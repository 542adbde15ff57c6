#!/usr/bin/env python3
"""seal-executable.py IN OUT: copies an ELF executable and writes into its slot the
SHA-256 of what the loader will map, so that the program can check itself.

The hash covers the file bytes of every executable PT_LOAD, then of the read-only
PT_LOAD with the slot, the slot's 32 bytes taken as zero. Headers and symbol tables
lie in another segment, so stripping does not change it. Nothing in these segments
may be relocated: memory would then differ from the file.

    seal-executable.py --self-test
"""
import hashlib
import os
import struct
import subprocess
import sys
import tempfile

MARKER = b'HOLDFAST-INTEGRITY-SLOT-v1'.ljust(32, b'\0')
PT_LOAD, PT_DYNAMIC, PF_X, PF_W = 1, 2, 1, 2
DT_PLTRELSZ, DT_RELA, DT_RELASZ, DT_JMPREL, DT_RELRSZ, DT_RELR = 2, 7, 8, 23, 35, 36


class Unfit(Exception):
    """The executable cannot be sealed; says why."""


def headers(data, wanted):
    """headers yields (flags, offset, address, size in file) of a 64-bit ELF's headers
    of the wanted type."""
    if data[:6] != b'\x7fELF\x02\x01':
        raise Unfit('not a 64-bit little-endian ELF file')
    phoff, = struct.unpack_from('<Q', data, 32)
    phentsize, phnum = struct.unpack_from('<HH', data, 54)
    for i in range(phnum):
        kind, flags, offset, address, _, size = struct.unpack_from(
            '<IIQQQQ', data, phoff + i * phentsize)
        if kind == wanted:
            yield flags, offset, address, size


def relr(words):
    """relr yields the addresses that packed relative relocations change."""
    base = 0
    for word in words:
        if word & 1:
            yield from (base + 8 * i for i in range(63) if word >> (i + 1) & 1)
            base += 8 * 63
        else:
            yield word
            base = word + 8


def relocated(data, loads):
    """relocated yields each address that the loader changes."""
    dyn = {}
    for _, offset, _, size in headers(data, PT_DYNAMIC):
        for at in range(offset, offset + size, 16):
            tag, value = struct.unpack_from('<QQ', data, at)
            dyn.setdefault(tag, value)

    def table(start, size, form):
        if start in dyn and dyn.get(size):
            at = next(o + dyn[start] - a for _, o, a, n in loads if a <= dyn[start] < a + n)
            yield from struct.iter_unpack(form, data[at:at + dyn[size]])

    for start, size in ((DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)):
        yield from (address for address, _, _ in table(start, size, '<QQq'))
    yield from relr(word for word, in table(DT_RELR, DT_RELRSZ, '<Q'))


def seal(data):
    """seal returns data, an executable, with its slot filled in."""
    data = bytearray(data)
    at = data.find(MARKER)
    if at < 0 or data.find(MARKER, at + 1) >= 0:
        raise Unfit('the slot must be there exactly once')
    loads = list(headers(data, PT_LOAD))
    home = [s for s in loads if s[1] <= at and at + 32 <= s[1] + s[3]]
    if len(home) != 1 or home[0][0] & (PF_W | PF_X) or home[0] == loads[0]:
        raise Unfit('the slot must lie in a read-only segment, not the first one')
    hashed = [s for s in loads if s[0] & PF_X] + home
    for address in relocated(data, loads):
        if any(a - 8 < address < a + n for _, _, a, n in hashed):
            raise Unfit(f'the loader would change {address:#x}, which is under the seal')
    data[at:at + 32] = bytes(32)
    h = hashlib.sha256()
    for _, offset, _, size in hashed:
        h.update(data[offset:offset + size])
    data[at:at + 32] = h.digest()
    return data


def main(source, target):
    with open(source, 'rb') as f:
        data = seal(f.read())
    temporary = target + '.new'
    with open(temporary, 'wb') as f:
        f.write(data)
    os.chmod(temporary, 0o755)
    os.rename(temporary, target)


# Not volatile: the compiler would put it into a writable segment.
SLOT = 'const char %s[32] __attribute__((section("%s"), used)) = "HOLDFAST-INTEGRITY-SLOT-v1"; '
FIT = SLOT % ('a', '.rodata.hf_integrity')
CASES = [
    ('fit', True, FIT, []),
    ('no slot', False, 'int a; ', []),
    ('two slots', False, FIT + SLOT % ('b', '.rodata.b'), []),
    ('writable', False, (SLOT % ('a', '.data.a')).replace('const', ''), []),
    ('first segment', False, FIT, ['-Wl,-z,noseparate-code']),
    ('relocated', False, FIT + 'int b; __asm__(".section .rodata.r,\\"a\\"; .quad b; .text"); ',
     ['-Wl,-z,notext', '-Wl,--no-warnings']),
]


def self_test():
    """self_test seals small programs that are fit, and is refused those that are not."""
    compiler = os.environ.get('CC', 'cc').split()
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, 'program')
        for what, fit, text, flags in CASES:
            subprocess.run([*compiler, '-fPIE', '-pie', *flags, '-x', 'c', '-', '-o', program],
                           input=text + 'int main(void) { return 0; }', text=True, check=True)
            with open(program, 'rb') as f:
                data = f.read()
            try:
                changed = sum(x != y for x, y in zip(data, seal(data)))
                if not fit or not 0 < changed <= 32:
                    sys.exit(f'seal-executable: self-test: {what}: {changed} bytes changed')
            except Unfit as e:
                if fit:
                    sys.exit(f'seal-executable: self-test: {what}: {e}')
                print(f'{what}: {e}')


if __name__ == '__main__':
    if sys.argv[1:] == ['--self-test']:
        self_test()
    elif len(sys.argv) != 3:
        sys.exit(__doc__)
    else:
        try:
            main(*sys.argv[1:])
        except Unfit as e:
            sys.exit(f'seal-executable: {sys.argv[1]}: {e}')
