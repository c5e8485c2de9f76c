"""Tables of costs and ratios in Markdown, for documents."""

from results import costs


def text(found):
    """All entries of a file of results."""
    parts = []
    for name, entry in found.items():
        parts.append("### %s\n\n%s\n" % (name, entry["what"]))
        if name in ("binary-get", "binary-mixed", "growth"):
            parts.append(cost_table(costs(entry)))
        if entry["ratios"]:
            parts.append(ratio_table(entry["ratios"]))
        about = entry["about"]
        parts.append("%(machine)s; %(disk)s. %(versions)s; %(how)s.\n" % about)
    return "\n".join(parts)


def cost_table(table):
    """Server CPU and requests a second per core: a line for each server, a column for each depth."""
    depths = list(table)
    lines = ["| | %s |" % " | ".join(depths), "|---|" + "---|" * len(depths)]
    names = {(name, kept) for depth in depths for name in table[depth] for kept in table[depth][name]}
    first = [(n, k) for n in table[depths[0]] for k in table[depths[0]][n]]
    for name, kept in first + sorted(names - set(first)):
        cells = [cell(table[depth].get(name, {}).get(kept)) for depth in depths]
        lines.append("| %s, %s | %s |" % (name, kept, " | ".join(cells)))
    return "\n".join(lines) + "\n"


def cell(micros):
    return "%.2f us, %s/s" % (micros, rate(1e6 / max(micros, 1e-3))) if micros is not None else ""


def rate(number):
    """Three digits, as 1.32 M or 148 k."""
    if number >= 1e6:
        return "%.2f M" % (number / 1e6)
    return "%.0f k" % (number / 1e3) if number >= 1e4 else "%.1f k" % (number / 1e3)


def ratio_table(ratios):
    lines = ["| what | measured | promised | |", "|---|---|---|---|"]
    for ratio in ratios:
        promised, verdict = "", ""
        if ratio["bound"] is not None:
            promised = "%s %g" % ("at least" if ratio["at_least"] else "at most", ratio["bound"])
            verdict = "kept" if ratio["kept"] else "**missed**"
        measured = ("%.0f" if abs(ratio["value"]) >= 1000 else "%.3g") % ratio["value"]
        lines.append("| %s | %s | %s | %s |" % (ratio["what"], measured, promised, verdict))
    return "\n".join(lines) + "\n"
