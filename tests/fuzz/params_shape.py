"""params_shape.py SPEC-DIRECTORY OUTPUT: the fields of each parameter as a string for fuzz_params.c, a
letter each: u number, b boolean, y bytes, a fixed array as its size in two digits."""
import sys

sys.path.insert(0, sys.argv[1])
import gen_params  # noqa: E402

LETTER = {'ulong': 'u', 'bool': 'b', 'bytes': 'y', 'nonce': 'y', 'bits': 'y', 'list': 'y'}


def shape(p):
    return ''.join(f'{int(f[-1]):02}' if f[0] in ('array', 'at') else LETTER[f[0]] for f in gen_params.fields_of(p))


with open(sys.argv[2], 'w', encoding='utf-8') as out:
    out.write('/* Made by tests/fuzz/params_shape.py; do not edit. */\nstatic const char *const shapes[] = {\n')
    out.writelines(f'\t"{shape(p)}", /* {p[0]} */\n' for p in gen_params.load(f'{sys.argv[1]}/params'))
    out.write('};\n')
