"""Puts figures into pages under docs/, between a mark that says which command writes them and one that ends them."""

END = "<!-- until here -->"


def write(page, command, text):
    """Replaces what stands between the mark of `command` and the next end mark."""
    mark = f"<!-- written by `{command}` -->"
    old = page.read_text(encoding="utf-8")
    start = old.find(mark)
    end = old.find(END, start)
    if not 0 <= start < end:
        raise SystemExit(f"{page} lacks the marks that the figures stand between: {mark} ... {END}")
    page.write_text(f"{old[:start]}{mark}\n\n{text}\n\n{old[end:]}", encoding="utf-8")
