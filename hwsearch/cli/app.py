"""The commands, in the order of the story; each loads, calls, saves and says where.

Only typer is imported here: what a command needs is imported when it runs, so that ``--help`` is instant.
"""

from __future__ import annotations

from typing import Annotated

import typer

from hwsearch.cli import networks_commands, search_commands, table_commands

app = typer.Typer(
    name="hwsearch",
    help="Measure your hardware, search an EfficientNet for it, scale it into a family, ship it as presets.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from hwsearch import __version__, console

        console.result(f"hwsearch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing on stderr but warnings and errors")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="print the version and exit", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    from hwsearch import console

    console.set_quiet(quiet)


app.command("run")(search_commands.run)
app.command("targets")(table_commands.targets)
app.command("profile")(table_commands.profile)
app.command("merge")(table_commands.merge)
app.command("validate")(table_commands.validate)
app.command("estimate")(networks_commands.estimate)
app.command("measure")(networks_commands.measure)
app.command("search")(search_commands.search)
app.command("scale")(networks_commands.scale)
app.command("export")(networks_commands.export)
app.command("presets")(networks_commands.presets)
app.command("report")(search_commands.report)

app.command("fit-tables", hidden=True)(table_commands.fit_tables)

accuracy = typer.Typer(help="The accuracy signal: fit it to trained networks.", rich_markup_mode=None)
accuracy.command("fit")(search_commands.accuracy_fit)
app.add_typer(accuracy, name="accuracy")
