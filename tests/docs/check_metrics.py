#!/usr/bin/env python3
"""check_metrics.py ROOT: alerts, dashboard and documents name metrics that there are; promtool, where it is
installed, checks the alerts."""
import json
import re
import shutil
import subprocess
import sys

ROOT = sys.argv[1]
RULES = f'{ROOT}/packaging/prometheus/holdfast.rules.yml'
DASHBOARD = f'{ROOT}/packaging/grafana/holdfast.json'


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def main():
    made = set(re.findall(r'(?:head|gauge|count)\("(\w+)"', read(f'{ROOT}/src/cli/metrics.c')))
    wrong = []
    for path in (RULES, DASHBOARD, f'{ROOT}/docs/metrics.md'):
        for name in set(re.findall(r'\bholdfast_(\w+)', read(path))):
            if name not in made and re.sub('_(bucket|sum|count)$', '', name) not in made:
                wrong.append(f'{path}: there is no metric holdfast_{name}')
    for name in made:
        if f'holdfast_{name}' not in read(f'{ROOT}/docs/metrics.md'):
            wrong.append(f'docs/metrics.md does not have holdfast_{name}')
    panels = json.loads(read(DASHBOARD))['panels']
    if not all(p['targets'] for p in panels):
        wrong.append('a panel of the dashboard shows nothing')
    if shutil.which('promtool'):
        r = subprocess.run(['promtool', 'check', 'rules', RULES], capture_output=True, text=True)
        if r.returncode != 0:
            wrong.append(r.stdout + r.stderr)
    print('\n'.join(wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
