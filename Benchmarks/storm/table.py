"""The results as Markdown."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

BEGIN, END = "<!-- storm:begin -->", "<!-- storm:end -->"


def number(value):
    """Three digits at most behind nothing that means nothing: 0.042, 1.2, 128."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def boots_table(results):
    lines = [
        "| Workload | Chain | Complete | Partial | No data source | Unfinished | Boot p50 / p99 / max, s "
        "| Request p50 / p99, ms | CPU per answer, µs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for title, row in result.rows:
            boot, request = row["boot"], row["request"]
            lines.append(
                f"| {result.workload.name} | {title} | {row['complete']} of {row['begun']} | {row['partial']} "
                f"| {row['none']} | {row['unfinished']} | {' / '.join(number(value) for value in boot)} "
                f"| {' / '.join(number(value) for value in request)} | {number(row['cpu'])} |"
            )
    return lines


def polls_table(results):
    lines = [
        "| Workload | Chain | Answers, per s | Not 200 | No answer | p50 / p99 / max, ms | Abusive, per s "
        "| CPU per answer, µs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for title, row in result.rows:
            lines.append(
                f"| {result.workload.name} | {title} | {number(row['rate'])} | {row['refused']} | {row['failed']} "
                f"| {' / '.join(number(value) for value in row['request'])} | {number(row['abusive'])} "
                f"| {number(row['cpu'])} |"
            )
    return lines


def hostile_table(results):
    lines = [
        "| Workload | Chain | Client | Connections | Ended by the service | After, s | Answers |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for title, row in result.rows:
            for each in row["hostile"]:
                answers = ", ".join(f"{status}: {count}" for status, count in sorted(each["statuses"].items()))
                after = number(each["kept_seconds"]["p50"]) if each["thrown_out"] else ""
                lines.append(
                    f"| {result.workload.name} | {title} | {each['kind']} | {each['connections']} "
                    f"| {each['thrown_out']} | {after} | {answers} |"
                )
    return lines


def markdown(results, command):
    """Everything, with the machine and the command that makes it again."""
    boots = [result for result in results if not result.workload.poll]
    polls = [result for result in results if result.workload.poll]
    hostile = [result for result in results if result.workload.hostile]
    lines = [f"{machine()}; `{command}`.", ""]
    if boots:
        lines += [*boots_table(boots), ""]
    if polls:
        lines += [*polls_table(polls), ""]
    if hostile:
        lines += [*hostile_table(hostile), ""]
    return "\n".join(lines).rstrip() + "\n"


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    packages = ("haproxy", "neutron-metadata-agent", "rabbitmq-server")
    words = ["dpkg-query", "-W", "-f=${Package} ${Version}, ", *packages]
    asked = subprocess.run(words, capture_output=True, text=True)
    return (
        f"{datetime.date.today()}, {os.cpu_count()} CPUs ({model.group(1) if model else platform.machine()}), "
        f"Linux {platform.release()}, {asked.stdout.rstrip(', ')}"
    )


def write(text, root):
    """Between the marks of docs/performance.md, or into a file of its own until that exists."""
    page = root / "docs/performance.md"
    if page.exists() and BEGIN in page.read_text():
        before, _, rest = page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
        return page
    page = root / "docs/performance/storm.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"# Boot storms\n\n{BEGIN}\n\n{text}\n{END}\n")
    return page
