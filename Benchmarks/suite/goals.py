"""What we set out to reach, and how far the figures of this run are from it. Ratios and counts, never times."""


def evaluate(results):
    """[(goal, limit, measured, whether it is met), ...]; what this run did not measure is left out."""
    found = []

    def add(goal, limit, value, is_met, shown):
        if value is not None:
            found.append((goal, limit, shown.format(value), bool(is_met(value))))

    def most(goal, limit, value, shown="{:.2f}"):
        add(goal, f"≤ {limit}", value, lambda value: value <= limit, shown)

    def least(goal, limit, value, shown="{:.0f}"):
        add(goal, f"≥ {limit}", value, lambda value: value >= limit, shown)

    def ratio(mode, other, name="cpu_us", kind="rounds"):
        return results[kind].get(mode, {}).get("ours", {}).get("ratios", {}).get(other, {}).get(name)

    names = {"new": "new connection", "close": "`Connection: close`", "keep": "kept connection"}
    for mode in ("new", "close", "keep"):
        for other, title in (
            ("haproxy", "haproxy's hop alone"),
            ("haproxy-tcp", "haproxy's hop alone, upstream over TCP as ours"),
        ):
            most(f"CPU of the whole chain to that of {title}, {names[mode]}", 0.5, ratio(mode, other))
    for mode in ("new", "close", "keep"):
        most(f"CPU to that of the bare relay, {names[mode]}", 1.15, ratio(mode, "relay"))
    for other in ("haproxy-tuned", "nginx"):
        for mode in ("new", "close", "keep"):
            most(f"CPU to that of {other}, {names[mode]}", 1.0, ratio(mode, other))
    for other, limit in (("python-cached", 20), ("python", 200)):
        for mode in ("new", "keep"):
            least(f"requests/s to those of the chain `{other}`, {names[mode]}", limit, results["throughput"].get(other, {}).get(mode))
    for kind, title in (("rounds", "as many as possible"), ("paced", "at a fixed rate")):
        most(f"p99 to that of haproxy's hop, {title}", 1.0, ratio("new", "haproxy", "p99_us", kind))
    gates = results.get("gates", {}).get("ours")
    if gates:
        for mode, limit in (("close", 7.5), ("new", 7.5), ("keep", 5)):
            most(f"system calls per request, {names[mode]}, 32 in flight", limit, gates["calls"][mode]["32"]["total"])
        for mode in ("new", "close", "keep"):
            most(f"heap allocations per request, {names[mode]}", 0, round(gates["allocations"][mode]["32"]["count"], 2))
    idle = (results.get("idle") or {}).get("ours", {})
    if idle:
        most("bytes per idle connection", 200, idle[max(idle, key=int)]["bytes_each"], "{:.0f}")
    return found
