#!/usr/bin/env python3
"""check_metrics.py ROOT: alerts, dashboard and documents name metrics that there are; promtool, where it is
installed, checks the alerts."""
import json
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
RULES = f'{ROOT}/packaging/prometheus/holdfast.rules.yml'
DASHBOARD = f'{ROOT}/packaging/grafana/holdfast.json'


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def asked(*args):
    r = subprocess.run(['promtool', *args], capture_output=True, text=True)
    return [] if r.returncode == 0 else [r.stdout + r.stderr]


def promtool(panels):
    """promtool reads the alerts, tries them on series that were written for it, and reads what panels ask for."""
    with tempfile.TemporaryDirectory() as d:
        shutil.copy(RULES, d)
        shutil.copy(f'{ROOT}/tests/docs/alerts.yml', d)
        rules = [{'record': 'panel', 'expr': t['expr']} for p in panels for t in p['targets']]
        with open(f'{d}/panels.yml', 'w', encoding='utf-8') as f:
            json.dump({'groups': [{'name': f'panel{i}', 'rules': [r]} for i, r in enumerate(rules)]}, f)
        return asked('check', 'rules', RULES) + asked('test', 'rules', f'{d}/alerts.yml') + \
            asked('check', 'rules', f'{d}/panels.yml')


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
        wrong += promtool(panels)
    print('\n'.join(wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
