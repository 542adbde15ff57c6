#!/usr/bin/env python3
"""Compares include/pkcs11_numbers.h with the OASIS identifier database.

    test_pkcs11_numbers.py HEADER DATABASE_DIRECTORY

Exits with 77 (skipped) where the database is not at hand.
"""
import csv
import os
import re
import sys

ARRAY = 0x40000000
# The database holds these without the flag that the standard's text adds.
ARRAYS = {'CKA_WRAP_TEMPLATE', 'CKA_UNWRAP_TEMPLATE', 'CKA_DERIVE_TEMPLATE',
          'CKA_ALLOWED_MECHANISMS'}


def header(path):
    """header returns {name: number} of every #define."""
    out = {}
    for line in open(path, encoding='utf-8'):
        m = re.match(r'#define (CK\w+|TRUE|FALSE) ([^/]+)', line)
        if not m:
            continue
        text = re.sub(r'\b(0x[0-9a-f]+|\d+)UL\b', r'\1', m.group(2).strip())
        out[m.group(1)] = eval(text, {'__builtins__': {}}, out) & (2 ** 64 - 1)
    return out


def database(directory):
    for name in ('raw_ids.db', 'system_ids.db'):
        for row in csv.reader(open(os.path.join(directory, name), encoding='utf-8')):
            yield row[0], int(row[1], 16) | (ARRAY if row[0] in ARRAYS else 0)


def main():
    if not os.path.exists(os.path.join(sys.argv[2], 'raw_ids.db')):
        print('skipped: no identifier database at', sys.argv[2])
        return 77
    have, wrong, count = header(sys.argv[1]), 0, 0
    for name, number in database(sys.argv[2]):
        count += 1
        if have.get(name) != number:
            wrong += 1
            print(f'{name}: header {have.get(name)}, database {number:#x}')
    print(f'{count} identifiers compared, {wrong} differ')
    return wrong != 0 or count < 1000


if __name__ == '__main__':
    sys.exit(main())
