#!/usr/bin/env python3
"""check_docs.py ROOT: the documents say what the lists say. Prints what differs."""
import re
import subprocess
import sys


def read(path):
    with open(f'{ROOT}/{path}', encoding='utf-8') as f:
        return f.read()


def rows(text, macro):
    """rows returns the arguments of each MACRO(...) of an X-macro list as
    strings; a list of words joined by | stays one."""
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    found = []
    for m in re.finditer(rf'^{macro}\(', text, re.M):
        args, word, depth, quoted = [], '', 1, False
        for c in text[m.end():]:
            quoted ^= c == '"'
            depth += 0 if quoted else (c == '(') - (c == ')')
            if depth == 0:
                break
            if c == ',' and depth == 1 and not quoted:
                args.append(word)
                word = ''
            else:
                word += c
        found.append([a.strip().strip('"') for a in args + [word]])
    return found


def items(page):
    """items maps each `.It` line of a page to the text up to the next one."""
    parts = re.split(r'^\.It (.*)\n', re.split(r'^\.Sh ENVIRONMENT', page, flags=re.M)[0], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def names_fl(text):
    """names_fl returns the options of the paragraph "Options:" of an item."""
    if 'Options:\n' not in text:
        return set()
    line = text.split('Options:\n')[1].split('\n')[0]
    return set(re.findall(r'-([a-z-]+)', line))


def differ(what, listed, told):
    yield from (f'{what} does not have {x}' for x in sorted(listed - told))
    yield from (f'{what} has {x}, which there is not' for x in sorted(told - listed))


def check_commands():
    spec, page = read('spec/cli.def'), items(read('man/holdfast.1'))
    options = {o[0]: o for o in rows(spec, 'OPT')}
    commands = rows(spec, 'CMD')
    assert options and commands
    told = {k for k in page if k.startswith('Fl ')}
    listed = {f'Fl -{o[1]}' + (f' Ar {o[2]}' if o[2] else '') for o in options.values()}
    yield from differ('holdfast.1', listed, told)
    listed = {' '.join(filter(None, ['Cm', c[0], c[1], c[4] and 'Ar ' + c[4]])): c for c in commands}
    yield from differ('holdfast.1', set(listed), set(page) - told)
    for item, c in listed.items():
        own = {options[i][1] for i in re.findall(r'O\((\w+)\)', c[3])}
        yield from differ(f'holdfast.1, {item},', own, names_fl(page.get(item, '')))


def check_settings():
    page = items(read('man/holdfast.conf.5'))
    words = {'FLAG': ('no', 'yes'), 'UNLOCK': ('file', 'passphrase', 'tpm'),
             'TAMPER': ('log', 'lock', 'zeroize'), 'KDF': ('argon2id', 'pbkdf2'),
             'USE': ('none', 'every', 'counted', 'first'),
             'CLOSED': ('administration', 'changes', 'everything'),
             'SIGNATURE': ('ed25519', 'ed25519+ml-dsa-65'),
             'LEVEL': ('error', 'warn', 'notice', 'info', 'debug'), 'PATH': ('none',), 'SOURCES': ('none',)}
    settings = rows(read('spec/config.def'), 'SETTING')
    assert settings
    yield from differ('holdfast.conf.5', {f'Cm {s[0]}' for s in settings}, set(page))
    for key, _, kind, initial, least, most, _ in settings:
        text = page.get(f'Cm {key}', '')
        number = [product(x) for x in (initial, least, most)]
        default = pcrs(number[0]) if kind == 'PCRS' else words[kind][number[0]] if kind in words else number[0]
        if f'Default:\n.Ql {default} .' not in text:
            yield f'holdfast.conf.5, {key}: the default is {default}'
        if kind not in words and kind != 'PCRS' and f'Range: {number[1]} to {number[2]}' not in text:
            yield f'holdfast.conf.5, {key}: the range is {number[1]} to {number[2]}'


def pcrs(bits):
    return ','.join(str(i) for i in range(24) if bits >> i & 1)


def product(text):
    n = 1
    for factor in text.split('*'):
        n *= int(factor)
    return n


def check_daemon():
    options = re.findall(r'\{ \{ "([a-z-]+)", \w+, NULL, \w+ \}, "([^"]*)",', read('src/daemon/main.c'))
    assert options
    listed = {f'-{name}' for name, _ in options}
    told = set(re.findall(r'^\.It Fl (-[a-z-]+)', read('man/holdfastd.8'), re.M))
    yield from differ('holdfastd.8', listed, told)


def check_protocol():
    table = subprocess.run([sys.executable, '-B', f'{ROOT}/spec/gen.py', 'table', f'{ROOT}/spec/calls'],
                           stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    told = [line for line in read('PROTOCOL.md').split('## Calls')[1].splitlines() if line.startswith('|')]
    listed = [line for line in table if line.startswith('|')]
    assert listed
    yield from differ('PROTOCOL.md', set(listed), set(told))
    if sorted(listed) == sorted(told) and listed != told:
        yield 'PROTOCOL.md: the rows are in another order than in spec/calls'


def check_exports():
    functions = set(re.findall(r'\bF\((C_\w+),', read('include/pkcs11.h')))
    exported = re.search(r'global:(.*?)local:', read('src/pkcs11/pkcs11.map'), re.S).group(1)
    patterns = [re.escape(p).replace(r'\*', r'\w*') for p in re.findall(r'[\w*]+', exported)]
    assert len(functions) >= 68 and patterns
    for name in sorted(functions):
        if not any(re.fullmatch(p, name) for p in patterns):
            yield f'pkcs11.map does not export {name}'
    for p in patterns:
        if not p.startswith('C_'):
            yield f'pkcs11.map exports {p}, which is no function of PKCS#11'


def main():
    wrong = [w for check in (check_commands, check_settings, check_daemon, check_protocol, check_exports)
             for w in check()]
    for w in wrong:
        print(w)
    return 1 if wrong else 0


if __name__ == '__main__':
    ROOT = sys.argv[1]
    sys.exit(main())
