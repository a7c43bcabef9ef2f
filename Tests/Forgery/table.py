"""Writes the tables of docs/threat-model.md from the corpus: `cd Tests && /usr/bin/python3 -B -m Forgery.table`."""

import pathlib
import re

from . import corpus

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/threat-model.md"


def updated(page):
    """The page with its tables as they should be."""
    for name, table in (("groups", groups()), ("differences", differences()), ("pike", pike())):
        block = re.compile(rf"(<!-- {name}: written by Tests/Forgery/table.py -->\n).*?(<!-- end of {name} -->)", re.S)
        text = "".join(f"{row}\n" for row in table)
        page, count = block.subn(lambda found: found[1] + text + found[2], page)
        if count != 1:
            raise ValueError(f"{PAGE} has no place for {name}")
    return page


def groups():
    yield "| Group | Items | of them different with haproxy and Neutron's agent | What the guest does |"
    yield "|---|---|---|---|"
    for group in corpus.groups():
        link = f"[{group.name}](../Tests/Forgery/corpus/{group.name}.txt)"
        differing = sum(bool(item.why) for item in group.items)
        yield f"| {link} | {len(group.items)} | {differing} | {group.about} |"


def differences():
    """One row for all items that differ in the same way for the same reason."""
    rows = {}
    for item in corpus.items("ours"):
        if item.why:
            outcomes = tuple(str(item.expected(chain)) for chain in ("ours", "haproxy", "control"))
            rows.setdefault((item.why, outcomes), []).append(item.path)
    yield "| Items | Ours | haproxy, our agent | haproxy, Neutron's agent | Why |"
    yield "|---|---|---|---|---|"
    order, before = list(corpus.reasons()), None
    for (why, outcomes), paths in sorted(rows.items(), key=lambda row: (order.index(row[0][0]), row[1])):
        cells = " | ".join(f"`{outcome}`" for outcome in outcomes)
        yield f"| {', '.join(paths)} | {cells} | {'As above.' if why == before else corpus.reasons()[why]} |"
        before = why


def pike():
    """Where an old file of haproxy's makes a difference with our agent."""
    rows = {}
    for item in corpus.items("pike"):
        outcomes = (str(item.expected("haproxy")), str(item.expected("pike")))
        if outcomes[0] != outcomes[1]:
            rows.setdefault(outcomes, []).append(item.path)
    yield "| Items | Ussuri and later | Pike to Train |"
    yield "|---|---|---|"
    for outcomes, paths in sorted(rows.items()):
        yield f"| {', '.join(paths)} | `{outcomes[0]}` | `{outcomes[1]}` |"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
