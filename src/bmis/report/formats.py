"""Tables as HTML-free text: Markdown, LaTeX and CSV. Names come from records and are escaped."""

from bmis.report.tables import Table, Value

_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after a line's end it would begin an argument
    "]": "{]}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "−": "$-$",
}
_MARKDOWN = {
    **{char: f"\\{char}" for char in "\\`*_[]|#"},
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
}


def to_markdown(table: Table) -> str:
    """A table as GitHub and pandoc read it; best bold, second best underlined."""
    lines = [
        f"**{markdown(table.caption)}**",
        "",
        "| " + " | ".join(map(markdown, table.headings)) + " |",
        "|---|" + "---:|" * (len(table.headings) - 1),
    ]
    for name, values in table.rows:
        lines.append("| " + " | ".join((markdown(name), *map(_markdown_value, values))) + " |")
    lines += ["", *(f"{markdown(note)}  " for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(table: Table) -> str:
    """A table for LaTeX with the packages booktabs and graphicx."""
    columns = "l" + "r" * (len(table.headings) - 1)
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex(table.caption)}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(latex, table.headings)) + r" \\",
        r"\midrule",
    ]
    for name, values in table.rows:
        lines.append(" & ".join((latex(name), *map(_latex_value, values))) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        notes = r" \\ ".join(map(latex, table.notes))
        lines.append(rf"\par\smallskip\footnotesize {notes}")
    return "\n".join((*lines, r"\end{table*}")) + "\n"


def latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(_LATEX.get(char, char) for char in text)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(_MARKDOWN.get(char, char) for char in text)


def _markdown_value(value: Value) -> str:
    text = markdown(value.text)
    text = {"best": f"**{text}**", "second": f"<u>{text}</u>", "absent": f"*{text}*"}.get(
        value.mark, text
    )
    return " ".join((text, *map(markdown, value.spread)))


def _latex_value(value: Value) -> str:
    text = latex(value.text)
    command = {"best": "textbf", "second": "underline", "absent": "textit"}.get(value.mark)
    if command:
        text = rf"\{command}{{{text}}}"
    if value.spread:
        text += rf" {{\scriptsize {latex(' '.join(value.spread))}}}"
    return text
