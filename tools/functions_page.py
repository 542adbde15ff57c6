#!/usr/bin/env python3
"""functions_page.py ROOT: prints docs/functions.md: each function of PKCS#11 3.2 (include/pkcs11.h) and
the tests that call it, read from the tests' sources. With --check: says what function no test calls
through a vault, and whether the page is so still."""
import ast
import glob
import itertools
import os
import re
import sys

PAGE = 'docs/functions.md'
NAMED = 4  # tests named in a row
UNIT = 'tests/unit/test_module_args.c'

HEAD = """# Functions

Made by `python3 -B tools/functions_page.py . > docs/functions.md` from the lists of `include/pkcs11.h` and
the sources of the tests; the test `functions_page` says when it is no longer so, or when a function has no
test. Counted are tests that call the function by its name, or by a helper that does: those of `tests/pkcs11`
and `tests/e2e/driver.c` call the module as any program does, with a vault of their own, that of
`tests/interop` is another program's binding; `tests/unit/test_module_args.c` calls it without a vault. Not
counted: calls at random (`tests/pkcs11/stranger.py`), the cases of OASIS (`oasis.py`), the token that each
test of `tests/pkcs11` makes first, and programs of other people that have no calls of ours.

| function | since | tests | among them |
| --- | --- | --- | --- |"""


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def functions():
    """functions yields (name, version) in the order of the standard's lists."""
    version = '2.40'
    for mark, name in re.findall(r'added by (\d\.\d)|\bF\((C_\w+),', read('include/pkcs11.h')):
        version = mark or version
        if name:
            yield name, version


# --- tests in Python ---

def strings(node, known):
    """strings are those that an expression may be, with what is known of names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Name):
        return known.get(node.id, set())
    if isinstance(node, ast.FormattedValue):
        return strings(node.value, known)
    if isinstance(node, ast.JoinedStr):
        return {''.join(parts) for parts in itertools.product(*(strings(v, known) for v in node.values))}
    if isinstance(node, (ast.Tuple, ast.List)):
        return set().union(*(strings(e, known) for e in node.elts))
    return set()


def bind(target, values, known):
    """bind makes the names of a loop's target known."""
    if isinstance(target, ast.Name):
        known.setdefault(target.id, set()).update(strings(values, known))
    elif isinstance(target, ast.Tuple) and isinstance(values, (ast.Tuple, ast.List)):
        for row in values.elts:
            if isinstance(row, ast.Tuple) and len(row.elts) == len(target.elts):
                for one, value in zip(target.elts, row.elts):
                    bind(one, value, known)


class Script:
    """Script is a Python file of tests: helpers by their names, the session's methods among them."""

    def __init__(self, path, session):
        self.helpers = {**session, **definitions(ast.parse(read(path)))}
        self.tests = [n[5:] for n in self.helpers if n.startswith('test_')]

    def called(self, name, given=(), depth=0):
        """called are the module's functions that a helper calls, given its first arguments' strings."""
        body = self.helpers[name]
        known = dict(zip((a.arg for a in body.args.args), given))
        for loop in ast.walk(body):
            if isinstance(loop, (ast.For, ast.comprehension)):
                bind(loop.target, loop.iter, known)
        found = set()
        for call in ast.walk(body):
            if isinstance(call, ast.Call):
                found |= self.of_call([call.func, *call.args], known, depth)
        return found

    def of_call(self, words, known, depth):
        """of_call looks for what is called, or given to be called, among a call's words."""
        found = set()
        for i, word in enumerate(words):
            method = isinstance(word, ast.Attribute)
            name = word.attr if method else word.id if isinstance(word, ast.Name) else ''
            rest = [strings(w, known) for w in words[i + 1:]]
            if name.startswith('C_'):
                found.add(name)
            elif name in ('call', 'rv') and method and rest:
                found |= {n for n in rest[0] if n.startswith('C_')}
            elif name in self.helpers and depth < 4:
                found |= self.called(name, [set(), *rest] if method else rest, depth + 1)
        return found


def definitions(tree):
    return {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and not n.name.startswith('__')}


def python_tests():
    """python_tests yields (test, functions) of tests/pkcs11 that meson runs."""
    run = set(re.findall(r"'(\w+)'", read('tests/pkcs11/meson.build')))
    session = definitions(ast.parse(read('tests/support/p11.py')))
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests/pkcs11/*.py'))):
        script = Script(os.path.relpath(path, ROOT), session)
        for test in script.tests:
            if test in run:
                yield f'{os.path.basename(path)}: {test}', script.called(f'test_{test}')


# --- tests in C and shell ---

def text_tests(path, start, test, call):
    """text_tests yields (test, functions): a function's own calls and those of the ones that it calls."""
    parts = re.split(start, read(path), flags=re.M)
    bodies = dict(zip(parts[1::2], parts[2::2]))

    def called(name, seen):
        found = set(re.findall(call, bodies[name]))
        for other in set(re.findall(r'\b\w+(?=\()', bodies[name])) & set(bodies) - seen:
            found |= called(other, seen | {other})
        return found

    for name in bodies:
        if re.search(test, name):
            yield f'{os.path.basename(path)}: {name}', called(name, {name})


def tests():
    """tests yields (test, functions), the ones that have a vault first."""
    c = r'^static [\w *]+?\b(\w+)\([^;{]*\)\n(?=\{)'
    yield from python_tests()
    yield from text_tests('tests/e2e/driver.c', c, r'^cmd_', r'p11->(C_\w+)\(')
    yield from text_tests('tests/interop/programs.sh', r'^(\w+)\(\) \{', r'^pkcs11js$', r'm\.(C_\w+)\(')
    yield from text_tests(UNIT, c, r'.', r'\b(C_\w+)\(')


def page():
    """page is the page, and the functions that no test calls through a vault."""
    calls, bare = list(tests()), []
    lines = [HEAD]
    for name, version in functions():
        of = [test for test, called in calls if name in called]
        if not of or of[0].startswith(os.path.basename(UNIT)):
            bare.append(name)
        lines.append(f'| {name} | {version} | {len(of)} | {"; ".join(of[:NAMED])} |')
    return '\n'.join(lines) + '\n', bare


def check():
    text, bare = page()
    for name in bare:
        print(f'{name}: no test calls it through a vault')
    stale = read(PAGE) != text
    if stale:
        print(f'{PAGE} is not current: python3 -B tools/functions_page.py . > {PAGE}')
    return 1 if bare or stale else 0


if __name__ == '__main__':
    ROOT = sys.argv[1]
    if '--check' in sys.argv[2:]:
        sys.exit(check())
    sys.stdout.write(page()[0])
