"""Bars of what one core of each server can do, as SVG without any library."""

from html import escape

from markdown import rate
from results import costs
from servers import Failed

# Places and sizes in pixels.
WIDTH, LEFT, RIGHT, TOP = 840, 190, 130, 66
BAR, GAP, HEAD, BETWEEN = 9, 7, 26, 14
# The colours on light and on dark; the palette is told apart without seeing red or green too.
STYLE = """
svg { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; }
.back { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; }
.title { font-size: 15px; font-weight: 600; } .head, .own { font-weight: 600; } .small { font-size: 11px; }
.everysec { fill: #57606a; } .memory { fill: #b6bec7; }
.everysec.mine { fill: #0550ae; } .memory.mine { fill: #80b3f0; }
@media (prefers-color-scheme: dark) {
  .back { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
  .everysec { fill: #9aa4af; } .memory { fill: #4b545e; }
  .everysec.mine { fill: #58a6ff; } .memory.mine { fill: #1f5fad; }
}
"""
PANELS = (("binary-get", "GET of a session"), ("binary-mixed", "90 get, 5 set, 3 create, 2 kill"))
CLASSES = {"everysec": "everysec", "memory only": "memory"}


def draw(found):
    """The picture of a file of results that has gets or the mix by the binary protocol."""
    entries = [(found[name], title) for name, title in PANELS if name in found]
    if not entries:
        raise Failed("a chart needs the results of binary-get or binary-mixed")
    parts, y = [], TOP
    for entry, title in entries:
        for depth, table in costs(entry).items():
            panel, y = bars("%s, %s" % (title, in_words(depth)), table, y)
            parts += panel
    about = entries[0][0]["about"]
    feet = [about["machine"], about["versions"], about["how"]]
    feet.append("echo servers only send back what they get: what connections cost without any work")
    feet.append(
        "%d sessions, uniform random keys; everysec: log or append-only file synced every second, %s"
        % (about["sessions"], about["disk"])
    )
    for foot in feet:
        parts.append(label(16, y + 8, foot, "quiet small"))
        y += 15
    title = label(16, 26, "Requests a second that one server core can serve", "title")
    return frame([title, *legend(), *parts], y + 10)


def in_words(depth):
    number = depth.split()[0]
    return "one request in flight per connection" if number == "1" else "%s in a pipeline" % number


def bars(title, table, y):
    """The bars of one depth from `y` on, the fastest server first, and where they end."""
    parts = [label(16, y + 13, title, "head")]
    y += HEAD
    capacity = {
        name: {kept: 1e6 / max(micros, 1e-3) for kept, micros in by_kept.items()}
        for name, by_kept in table.items()
    }
    longest = max(max(by_kept.values()) for by_kept in capacity.values())
    for name, by_kept in sorted(capacity.items(), key=lambda item: -max(item[1].values())):
        mine = " mine" if name.startswith("cloakroom") else ""
        middle = y + BAR * len(by_kept) / 2 + 4
        parts.append(label(LEFT - 8, middle, name, "own" if mine else "", "end"))
        for kept, number in by_kept.items():
            width = (WIDTH - LEFT - RIGHT) * number / longest
            parts.append(
                '<rect class="%s%s" x="%d" y="%d" width="%.1f" height="%d" rx="1"/>'
                % (CLASSES[kept], mine, LEFT, y, max(width, 1), BAR - 1)
            )
            y += BAR
        ends = (WIDTH - LEFT - RIGHT) * max(by_kept.values()) / longest
        numbers = " | ".join(rate(number) for number in by_kept.values())
        parts.append(label(LEFT + ends + 6, middle, numbers, "own" if mine else ""))
        y += GAP
    return parts, y + BETWEEN


def legend():
    parts, x = [], 16
    for kept, words in (("everysec", "log on disk, everysec"), ("memory only", "memory only")):
        for mine in (" mine", ""):
            parts.append(
                '<rect class="%s%s" x="%d" y="38" width="12" height="10"/>' % (CLASSES[kept], mine, x)
            )
            x += 14
        parts.append(label(x + 3, 47, words, "quiet"))
        x += 160
    return parts


def label(x, y, words, kind="", anchor="start"):
    place = (kind, x, y, anchor, escape(words))
    return '<text class="%s" x="%.0f" y="%.0f" text-anchor="%s">%s</text>' % place


def frame(parts, height):
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
    size = (WIDTH, height, WIDTH, height)
    back = '<rect class="back" width="%d" height="%d"/>' % (WIDTH, height)
    return "\n".join([head % size, "<style>%s</style>" % STYLE, back, *parts, "</svg>"]) + "\n"
