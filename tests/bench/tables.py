"""The rows of `measure` as text and as the table of the project's README."""

PHASES = ("analyse", "transfer", "solve", "place", "share", "emit", "total")
KINDS = {"pie": "PIE", "exec": "fixed address", "dso": "shared object", "static": "static", "static-pie": "static PIE"}


def short(figures, digits=2):
    return f"{figures['median']:.{digits}f} ({figures['least']:.{digits}f}-{figures['most']:.{digits}f})"


def name_of(row):
    return row["binary"] + ("" if row["pinned"] else "*")


def percent(part, whole):
    """Never rounded up to 100: what is missing is what a reader looks for."""
    if part >= whole:
        return "100 %"
    share, digits = 100 * part / whole, 2
    while digits < 6 and float(f"{share:.{digits}f}") >= 100:
        digits += 1
    return f"{share:.{digits}f} %"


def columns(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(c).ljust(w) if i < 3 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())


def running(row):
    """Areas added to /proc/PID/maps, fillers among them."""
    found = row["running"]
    return "-" if found is None else f"{found['areas']:,} ({found['fillers']:,})"


HEAD = ("binary", "match", "tool", "sites", "rewritten", "trapped", "refused", "starts", "right", "mappings",
        "running (fillers)", "out/in", "out MB", "seconds", "peak MiB")


def text_row(row):
    if "error" in row:
        return (name_of(row), row["match"], row["tool"], *["-"] * 10, row["error"].splitlines()[-1][:60], "-")
    sites, size = row.get("sites", 0), row["output_bytes"]
    return (name_of(row), row["match"], row["tool"], f"{sites:,}", f"{row['rewritten']:,} ({percent(row['rewritten'], max(1, sites))})",
            f"{row['trapped']:,}", f"{row['refused']:,}", row["starts"], row["right"], f"{row.get('mappings', 0):,}", running(row),
            f"{size / row['input_bytes']:.2f}", f"{size / 1e6:.1f}", short(row["wall_seconds"]),
            f"{row['peak_rss_bytes']['median'] / 2**20:.0f}")


def phase_row(row):
    tactics = " ".join(f"{t} {n:,}" for t, n in sorted(row["by_tactic"].items()) if n)
    return (name_of(row), row["match"], percent(row["rewritten"], max(1, row["instructions"])), f"{row['doubt_bytes']:,}",
            *(short(row["seconds"][p]) for p in PHASES), tactics)


def print_text(rows):
    columns(HEAD, [text_row(r) for r in rows])
    phases = [phase_row(r) for r in rows if "error" not in r and isinstance(r["seconds"], dict)]
    if phases:
        print()
        columns(("binary", "match", "of instr.", "doubt bytes", *PHASES, "sites per tactic"), phases)


def cells(row):
    """What of a row has a counterpart with every tool."""
    if "error" in row:
        return ["-"] * 6
    areas = row["running"]
    return [percent(row["rewritten"], max(1, row["sites"])), f"{row['trapped']:,}",
            f"{areas['areas']:,}" if areas else f"{row['mappings']:,}, {row['starts']}" if row.get("mappings") else "-",
            f"{row['output_bytes'] / 1e6:.1f}", f"{row['wall_seconds']['median']:.2f}",
            f"{row['peak_rss_bytes']['median'] / 2**20:.0f}"]


MARKDOWN = ("file", "kind", "match", "sites", "patched", "trapped", "mappings", "MB", "seconds", "MiB", "fillers", "pages of address space",
            "starts", "right")


def print_markdown(rows):
    """One line per binary and campaign: ours, and each peer's figures in parentheses behind."""
    print("| " + " | ".join(MARKDOWN) + " |")
    print("|" + " --- |" * len(MARKDOWN))
    for own in (r for r in rows if r["tool"] == "punster"):
        if "error" in own:
            print(f"| {name_of(own)} | | {own['match']} | {own['error'].splitlines()[-1]} |" + " |" * (len(MARKDOWN) - 4))
            continue
        peers = [r for r in rows if (r["binary"], r["match"]) == (own["binary"], own["match"]) and r is not own]
        joined = [ours + "".join(f" ({theirs[i]})" for theirs in map(cells, peers)) for i, ours in enumerate(cells(own))]
        areas = own["running"] or {"fillers": "-", "pages": 0}
        line = [name_of(own), KINDS.get(own["kind"], own["kind"]), own["match"], f"{own['sites']:,}", *joined, str(areas["fillers"]),
                f"{areas['pages']:,}", own["starts"], own["right"]]
        print("| " + " | ".join(line) + " |")
