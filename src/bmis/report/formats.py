"""Tables as Markdown and LaTeX. Names come from records, so they are escaped."""

from bmis.report.tables import Table
from bmis.report.values import Value

_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after the end of a line it would begin an argument
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
    r"""A table as GitHub and pandoc read it, the best bold, the second best underlined.

    Example:
        >>> table = Table("Costs", ["mk_unet"], {"MACs (G)": [Value("0.213", 2e8, (), "best")]})
        >>> print(to_markdown(table).splitlines()[-1])
        | mk\_unet | **0.213** |
    """
    lines = [
        f"**{markdown(table.caption)}**",
        "",
        "| " + " | ".join(map(markdown, table.headings)) + " |",
        "|---|" + "---:|" * len(table.columns),
    ]
    for name, values in table.rows:
        lines.append("| " + " | ".join((markdown(name), *map(_markdown_value, values))) + " |")
    lines += ["", *(f"{markdown(note)}  " for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(table: Table) -> str:
    r"""A table for LaTeX with the packages booktabs and graphicx.

    Example:
        >>> table = Table("Costs", ["mk_unet"], {"MACs (G)": [Value("0.213", 2e8, (), "best")]})
        >>> print(to_latex(table).splitlines()[9])
        mk\_unet & \textbf{0.213} \\
    """
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex(table.caption)}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' + 'r' * len(table.columns)}}}",
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
    r"""Text that LaTeX sets as it is.

    Example:
        >>> print(latex("mk_unet ±5%"))
        mk\_unet $\pm$5\%
    """
    return "".join(_LATEX.get(char, char) for char in text)


def markdown(text: str) -> str:
    r"""Text that Markdown shows as it is.

    Example:
        >>> print(markdown("mk_unet <b>"))
        mk\_unet &lt;b&gt;
    """
    return "".join(_MARKDOWN.get(char, char) for char in text)


def _markdown_value(value: Value) -> str:
    text = markdown(value.text)
    marked = {"best": f"**{text}**", "second": f"<u>{text}</u>", "absent": f"*{text}*"}
    return " ".join((marked.get(value.mark, text), *map(markdown, value.spread)))


def _latex_value(value: Value) -> str:
    text = latex(value.text)
    command = {"best": "textbf", "second": "underline", "absent": "textit"}.get(value.mark)
    if command:
        text = rf"\{command}{{{text}}}"
    if value.spread:
        text += rf" {{\scriptsize {latex(' '.join(value.spread))}}}"
    return text
