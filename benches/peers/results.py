"""What scenarios have found, as a file: to be drawn again, and added to by the next command."""

import json
import os
import statistics


def entry(what, about, figures):
    """What one scenario found: every run of every row, and the ratios with their bounds."""
    return {"what": what, "about": about, "rows": figures, "ratios": figures.ratios}


def read(path):
    """All entries by the names of their scenarios; none where there is no file yet."""
    if not path or not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def write(path, found):
    with open(path, "w") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


def median(found, row, column):
    """A figure of an entry."""
    return statistics.median(found["rows"][row][column])


def costs(found):
    """Microseconds of CPU for a request by depth, name and durability, from rows of `cost_row`.

    Depths are texts like `16 deep`; durability is `everysec` or `memory only`.
    """
    table = {}
    for row in found["rows"]:
        name, kept, depth = row.rsplit(", ", 2)
        table.setdefault(depth, {}).setdefault(name, {})[kept] = median(found, row, "cpu")
    return table


def cost_row(name, kept, depth):
    """How rows are called that `costs` can read."""
    return "%s, %s, %d deep" % (name, kept, depth)
