"""Measured figures, as tables in Markdown."""


class Figures:
    def __init__(self):
        self._tables = {}

    def add(self, title, **row):
        """A row of the table with that title; the names of the first row's values are the columns."""
        self._tables.setdefault(title, []).append(row)

    @property
    def text(self):
        return "\n".join(self._table(title, rows) for title, rows in self._tables.items())

    @staticmethod
    def _table(title, rows):
        columns = list(rows[0])
        lines = [f"### {title}", "", "| " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
        lines.append("|" + "---|" * len(columns))
        lines += ["| " + " | ".join(str(row.get(name, "")) for name in columns) + " |" for row in rows]
        return "\n".join(lines) + "\n"
