"""The commands, in the order of the story; each loads, calls, saves and says where.

Only typer is imported here: what a command needs is imported when it runs, so that ``--help`` is instant.
"""

from __future__ import annotations

from typing import Annotated

import typer

from hwsearch.cli import networks_commands, run_command, scale_command, search_commands, table_commands

app = typer.Typer(
    name="hwsearch",
    help="Measure your hardware, search an EfficientNet for it, scale it into a family, ship it as presets.",
    epilog="Begin with: hwsearch run. Each command has examples: hwsearch COMMAND --help",
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


app.command("run", short_help="the whole story, from measuring to a report")(run_command.run)
app.command("targets", short_help="what can be measured here, and what is shipped")(table_commands.targets)
app.command("profile", short_help="measure the latency table of a target")(table_commands.profile)
app.command("merge", short_help="join tables that were measured on one setup")(table_commands.merge)
app.command("validate", short_help="predicted against measured on fresh networks")(table_commands.validate)
app.command("estimate", short_help="what networks cost, take, and are predicted to reach")(networks_commands.estimate)
app.command("measure", short_help="measure whole networks side by side")(networks_commands.measure)
app.command("search", short_help="the best network under budgets, and the front")(search_commands.search)
app.command("scale", short_help="scale a network into a B and a Lite family")(scale_command.scale)
app.command("export", short_help="write a network for timm, KerasHub, ONNX, ...")(networks_commands.export)
app.command("presets", short_help="the published reference networks")(networks_commands.presets)
app.command("report", short_help="the report of a run, one HTML file")(search_commands.report)

app.command("fit-tables", hidden=True)(table_commands.fit_tables)

accuracy = typer.Typer(help="The accuracy signal: fit it to trained networks.", rich_markup_mode=None)
accuracy.command("fit")(search_commands.accuracy_fit)
app.add_typer(accuracy, name="accuracy", short_help="fit the accuracy signal to trained networks")
