#!/usr/bin/env python3
"""seal-executable.py IN OUT: copies an ELF executable and writes into its slot the
SHA-256 of what the loader will map, so that the program can check itself.

The hash covers the file bytes of every executable PT_LOAD, then of the read-only
PT_LOAD with the slot, the slot's 32 bytes taken as zero. Headers and symbol tables
lie in another segment, so stripping does not change it.
"""
import hashlib
import os
import struct
import sys

MARKER = b'HOLDFAST-INTEGRITY-SLOT-v1'.ljust(32, b'\0')
PT_LOAD, PF_X, PF_W = 1, 1, 2


def segments(data):
    """segments yields (flags, offset, filesz) of each PT_LOAD of a 64-bit ELF."""
    if data[:6] != b'\x7fELF\x02\x01':
        sys.exit('seal-executable: not a 64-bit little-endian ELF file')
    phoff, = struct.unpack_from('<Q', data, 32)
    phentsize, phnum = struct.unpack_from('<HH', data, 54)
    for i in range(phnum):
        kind, flags, offset, _, _, filesz = struct.unpack_from('<IIQQQQ', data, phoff + i * phentsize)
        if kind == PT_LOAD:
            yield flags, offset, filesz


def main(source, target):
    data = bytearray(open(source, 'rb').read())
    at = data.find(MARKER)
    if at < 0 or data.find(MARKER, at + 1) >= 0:
        sys.exit('seal-executable: the slot must be there exactly once')
    loads = list(segments(data))
    home = [s for s in loads if s[1] <= at < s[1] + s[2]]
    if len(home) != 1 or home[0][0] & (PF_W | PF_X) or home[0] == loads[0]:
        sys.exit('seal-executable: the slot must lie in a read-only segment of its own kind')
    data[at:at + 32] = bytes(32)
    h = hashlib.sha256()
    for flags, offset, size in loads:
        if flags & PF_X:
            h.update(data[offset:offset + size])
    h.update(data[home[0][1]:home[0][1] + home[0][2]])
    data[at:at + 32] = h.digest()
    temporary = target + '.new'
    with open(temporary, 'wb') as f:
        f.write(data)
    os.chmod(temporary, 0o755)
    os.rename(temporary, target)


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
